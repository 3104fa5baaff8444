"""Folders of results in the run's directory: made there, copied from the store, and complete when visible."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from core.artifacts import Artifact
from core.errors import HooklineError, reason_of
from core.execution.run_directory import free_reserve, sweep, unfinished
from core.files.paths import free_path, write_file
from core.kinds.context import RunContext
from core.kinds.lifecycle import Step
from core.storage.incomplete import MARKER, IncompleteWork, interrupted, mark, same_work, unmark
from core.storage.sidecar import read_sidecar, sidecar_path
from core.storage.store import Store, complete


def make_visible(make: Callable[[Path], Artifact], target: Path) -> Artifact:
    """Run ``make`` for a stage that is not stored; ``target`` appears when it has finished."""
    with _renamed_when_complete(target) as workdir:
        artifact = complete(make(workdir))
    if workdir not in artifact.path.parents:
        return artifact
    return replace(artifact, path=target / artifact.path.relative_to(workdir))


def make_in_place(
    make: Callable[[Path], Artifact],
    step: Step,
    work: IncompleteWork,
    context: RunContext,
    *,
    resume: bool,
    store: Store | None = None,
) -> Artifact:
    """Run ``make`` for an incremental stage in its visible directory and keep its files if it fails.

    Args:
        make: Runs the stage.
        step, work: The step, and the identity of its result.
        context: Context of the run.
        resume: Continue in the directory of the interrupted stage, if the run's directory has one.
        store: Gets a copy of the result; None for a stage that is not stored.
    """
    stage = step.stage
    find = interrupted if store is None else same_work  # the state of a stored stage may be in another directory
    previous = find(context.run_dir, work) if resume and stage.resumes(step.config) else None
    folder = previous or free_path(context.run_dir, stage.name)
    if previous is None:
        folder.mkdir(parents=True)
        mark(folder, work)
    else:
        sweep(folder, below=True)
    try:
        artifact = complete(make(folder))
        if store is not None:
            complete_folder(folder, _store_copy(artifact, folder, store, work))
    except BaseException as error:
        free_reserve(context.run_dir)
        if all(item.name == MARKER for item in folder.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)
        elif context.kept or previous is None:
            with suppress(OSError):  # the marker exists; only the reason would be missing
                mark(folder, work, reason_of(error), _values(context.kept))
        raise
    unmark(folder)
    return artifact


def _store_copy(artifact: Artifact, folder: Path, store: Store, work: IncompleteWork) -> Artifact:
    """Copy the files in ``folder`` to the store, without the hidden ones, which hold the state to resume."""

    def copy(workdir: Path) -> Artifact:
        for item in folder.iterdir():
            if item.is_dir():
                shutil.copytree(item, workdir / item.name, symlinks=True)
            elif item.name != MARKER and not item.name.startswith("."):
                shutil.copy2(item, workdir / item.name)
        return replace(artifact, path=workdir / artifact.path.relative_to(folder))

    return store.write(work.stage, work.key, copy)


def complete_folder(folder: Path, stored: Artifact) -> None:
    """Add the sidecar of ``stored`` to a folder with the same files, and remove the state and the marker.

    A run that is killed after the copy to the store leaves the folder with them.
    """
    sidecar = read_sidecar(stored.path)
    if sidecar is None or any(replace(sidecar, artifact=replace(stored, path=folder / stored.path.name)).damaged()):
        return
    write_file(sidecar_path(folder / stored.path.name), sidecar_path(stored.path).read_bytes())
    for item in folder.glob(".*"):
        if item.is_file():
            item.unlink()
    unmark(folder)


def _values(kept: list[Artifact]) -> Mapping[str, float]:
    values = getattr(kept[0], "values", None) if kept else None
    return values if isinstance(values, Mapping) else {}


@contextmanager
def _renamed_when_complete(target: Path) -> Iterator[Path]:
    """Yield a hidden directory next to ``target``; rename it to ``target`` when the block has finished."""
    workdir = unfinished(target)
    workdir.mkdir(parents=True)
    try:
        yield workdir
        os.replace(workdir, target)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


def expose(artifact: Artifact, stage: str, run_dir: Path, store: Store) -> Artifact:
    """Copy a stored artifact into the run's directory, where the user may change it.

    A run that is repeated in the same directory reuses the copy if it has the same files.
    """
    if store.root not in artifact.path.parents:
        return artifact
    previous = run_dir / stage / artifact.path.name
    if _is_copy(previous, artifact):
        return replace(artifact, path=previous)
    target = free_path(run_dir, stage)
    with _renamed_when_complete(target) as workdir:
        shutil.copytree(artifact.path.parent, workdir, dirs_exist_ok=True)
    return replace(artifact, path=target / artifact.path.name)


def _is_copy(file: Path, artifact: Artifact) -> bool:
    """Return whether ``file`` and the files of its sidecar are an unchanged copy of a stored artifact."""
    try:
        sidecar, stored = read_sidecar(file), read_sidecar(artifact.path)
    except HooklineError:
        return False
    return (
        sidecar is not None
        and stored is not None
        and replace(sidecar.artifact, path=artifact.path) == artifact
        and sidecar.others == stored.others  # an option can have added files to the stored result
        and not any(sidecar.damaged())
    )
