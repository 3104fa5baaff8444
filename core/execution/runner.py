"""Runs a plan: takes results from the store where they are, makes the others, and tells observers."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from core.artifacts import Artifact, Diagnosis, Provenance
from core.errors import HooklineError, PlanError, reason_of
from core.execution.observers import Observers
from core.execution.participants import parts_of_artifact
from core.execution.run_directory import free_reserve, sweep, unfinished
from core.files.paths import free_path, write_file
from core.files.regular_file import disk_errors
from core.kinds.context import RunContext
from core.kinds.lifecycle import Plan, Step
from core.planning.keys import key_of, options_of
from core.planning.known import fitting_problems
from core.planning.planner import settled
from core.plugins.results import call_stage, check_result, failures_named
from core.process.environment import RANKS
from core.storage.incomplete import MARKER, IncompleteWork, interrupted, mark, same_work, unmark
from core.storage.sidecar import read_sidecar, sidecar_path
from core.storage.store import Store, complete

_HEAD_START = 2.0


def run_plan(
    plan: Plan,
    context: RunContext,
    store: Store,
    observers: Observers,
    *,
    reuse: bool = True,
    resume: bool = False,
) -> list[Artifact]:
    """Run every step and put what was asked for into the run's directory.

    Args:
        plan: A checked plan.
        context: The run's context; each step gets it with a ``workdir`` of its own.
        store: Where results are kept.
        observers: Are told of every stage.
        reuse: Take stored results; False makes everything anew.
        resume: Continue the incomplete results of incremental stages in the run's directory.

    Returns:
        The artifact of each step.

    Raises:
        HooklineError: A stage could not do what was asked, the disk is full, or a diagnosis ends the run.
        PlanError: An artifact does not fit the options of a later stage.
    """
    made: list[Artifact] = []
    for step in plan.steps:
        observers.tell("before_stage", step=step)
        start, kept = time.perf_counter(), list[Artifact]()
        try:
            with _failures_named(step, made, context), disk_errors():
                artifact, reused = _run_step(step, made, replace(context, kept=kept), store, reuse=reuse, resume=resume)
                if step.requested and step.stage.stored:
                    artifact = _expose(artifact, step.stage.name, context.run_dir, store)
        except BaseException as error:
            observers.tell("stage_failed", step=step, error=error, kept=kept[0] if kept else None)
            raise
        made.append(artifact)
        for note in artifact.notes:  # also of what came from the store: it is as true as on the first day
            context.warn(note)
        if reused and step.stage.measures:
            context.note(_measured_before(step, artifact))
        seconds = time.perf_counter() - start
        observers.tell("after_stage", step=step, artifact=artifact, reused=reused, seconds=seconds)
        if isinstance(artifact, Diagnosis) and artifact.problem:
            raise HooklineError(artifact.problem, artifact.remedy)  # told after the report has come into place
        if problems := list(fitting_problems(plan.steps, made, context)):
            raise PlanError(problems)
    return made


def _failures_named(step: Step, made: list[Artifact], context: RunContext) -> AbstractContextManager[None]:
    """Name the outside plugin whose code fails in a step."""
    name = step.stage.name
    author = context.registry.origin("stages", name)
    return failures_named(f"stage '{name}'", context, lambda: _used_parts(step, made), author)


def _used_parts(step: Step, made: list[Artifact]) -> Iterator[tuple[str, str]]:
    """Yield kind and name of the parts that a step uses: those of its options, and of the models that it gets."""
    yield from step.parts
    for index in step.inputs.values():
        yield from parts_of_artifact(made[index])


def _measured_before(step: Step, artifact: Artifact) -> str:
    """One line about times that come from the store."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(artifact.path.stat().st_mtime))
    return f"{step.stage.name}: reused; times were measured by an earlier run, {when} (reuse=false measures again)"


def make_steps(plan: Plan, context: RunContext, store: Store, *, reuse: bool = True) -> list[Artifact]:
    """Make the artifact of each step in the store, without a directory of a run and without lifecycle hooks.

    Raises:
        HooklineError: A stage could not do what was asked.
    """
    made: list[Artifact] = []
    for step in plan.steps:
        with _failures_named(step, made, context), disk_errors():
            artifact, _ = _run_step(step, made, context, store, reuse=reuse, resume=False)
        made.append(artifact)
        for note in artifact.notes:
            context.warn(note)
    return made


def follow_plan(plan: Plan, context: RunContext, store: Store) -> None:
    """Carry out the collective stages of a plan in a process of rank 1 or more.

    It takes everything else from the store, to which the first process writes, and prints nothing.
    """
    time.sleep(_HEAD_START)  # so that the first process is the one that works, and this one waits for it
    last = max((index for index, step in enumerate(plan.steps) if step.stage.collective), default=-1)
    made: list[Artifact] = []
    for step in plan.steps[: last + 1]:
        made.append(_run_step(step, made, context, store, reuse=True, resume=False)[0])


def _run_step(
    step: Step, made: list[Artifact], context: RunContext, store: Store, *, reuse: bool, resume: bool
) -> tuple[Artifact, bool]:
    inputs = {name: made[index] for name, index in step.inputs.items()}
    step = settled(step, inputs, context)
    key = key_of(step, inputs, context)
    stage = step.stage
    work = IncompleteWork(stage.name, key, options_of(step, inputs, context))
    provenance = Provenance(
        stage=stage.name,
        distribution=str(context.registry.origin("stages", stage.name)),
        key=key,
        inputs={name: artifact.sha256 for name, artifact in inputs.items()},
    )

    def make(workdir: Path) -> Artifact:
        left_out = {item.name: None for item in stage.signature.inputs if item.name not in inputs}
        place = replace(context, workdir=workdir, requested=step.requested)
        arguments = {"config": step.config, "context": place, **inputs, **left_out}
        returned = call_stage(stage, arguments, step.parts, context.registry)
        origin = context.registry.origin("stages", stage.name)
        written = workdir if RANKS.leader or not stage.collective else None
        artifact = check_result(stage, origin, returned, written, inputs.values())
        return replace(artifact, provenance=provenance, notes=_notes(artifact, inputs.values()))

    if stage.collective and not RANKS.leader:
        found = store.find(stage.name, key) if reuse else None
        with tempfile.TemporaryDirectory() as folder:
            return found or make(Path(folder)), False
    resume = bool(getattr(step.config, "resume", resume))  # follows the top-level option until it is set itself
    if not stage.stored:
        if stage.incremental:
            return _make_in_place(make, step, work, context, resume=resume), False
        return _make_visible(make, free_path(context.run_dir, stage.name)), False

    def waiting() -> None:
        context.note(f"{stage.name}: another run is making the same; waiting for it")

    with store.lock(stage.name, key, waiting):
        found = store.find(stage.name, key) if reuse else None
        if found is not None:
            if stage.incremental and (left := same_work(context.run_dir, work)):
                _settle(left, found)
            return _supplemented(step, found, inputs, replace(context, requested=step.requested), store), True
        if stage.incremental:
            return _make_in_place(make, step, work, context, resume=resume, store=store), False
        return store.write(stage.name, key, make), False


def _supplemented(
    step: Step, found: Artifact, inputs: Mapping[str, Artifact], context: RunContext, store: Store
) -> Artifact:
    """Add to a stored result what it lacks of what the options ask for."""
    stage, provenance = step.stage, found.provenance
    add = stage.supplement(step.config, found, inputs, context) if stage.supplement and provenance else None
    if add is None or provenance is None:
        return found

    def copy(workdir: Path) -> Artifact:
        shutil.copytree(found.path.parent, workdir, dirs_exist_ok=True, symlinks=True)
        add(workdir)
        return replace(found, path=workdir / found.path.name)

    return store.write(stage.name, provenance.key, copy)


def _make_visible(make: Callable[[Path], Artifact], target: Path) -> Artifact:
    """Run ``make`` for a stage that is not stored; ``target`` is there when it has finished."""
    with _comes_whole(target) as workdir:
        artifact = complete(make(workdir))
    if workdir not in artifact.path.parents:
        return artifact
    return replace(artifact, path=target / artifact.path.relative_to(workdir))


def _make_in_place(
    make: Callable[[Path], Artifact],
    step: Step,
    work: IncompleteWork,
    context: RunContext,
    *,
    resume: bool,
    store: Store | None = None,
) -> Artifact:
    """Run ``make`` for an incremental stage, in its visible directory; what it has written stays when it fails.

    Args:
        make: Runs the stage.
        step, work: What is made.
        context: For the run's directory.
        resume: Continue in the directory of the interrupted stage, where the run's directory has one.
        store: Takes a copy of the result; None for a stage that is not stored.
    """
    stage = step.stage
    find = interrupted if store is None else same_work  # a stored stage may have its state in another directory
    former = find(context.run_dir, work) if resume and stage.resumes(step.config) else None
    folder = former or free_path(context.run_dir, stage.name)
    if former is None:
        folder.mkdir(parents=True)
        mark(folder, work)
    else:
        sweep(folder, below=True)
    try:
        artifact = complete(make(folder))
        if store is not None:
            _settle(folder, _store_copy(artifact, folder, store, work))
    except BaseException as error:
        free_reserve(context.run_dir)
        if all(item.name == MARKER for item in folder.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)
        elif context.kept or former is None:
            with suppress(OSError):  # it is marked already; what is missing is why
                mark(folder, work, reason_of(error), _values(context.kept))
        raise
    unmark(folder)
    return artifact


def _store_copy(artifact: Artifact, folder: Path, store: Store, work: IncompleteWork) -> Artifact:
    """Put a copy of what lies in ``folder`` into the store, without hidden files, which the stage resumes from."""

    def copy(workdir: Path) -> Artifact:
        for item in folder.iterdir():
            if item.is_dir():
                shutil.copytree(item, workdir / item.name, symlinks=True)
            elif item.name != MARKER and not item.name.startswith("."):
                shutil.copy2(item, workdir / item.name)
        return replace(artifact, path=workdir / artifact.path.relative_to(folder))

    return store.write(work.stage, work.key, copy)


def _settle(folder: Path, stored: Artifact) -> None:
    """Give a visible directory that holds the files of ``stored`` the form of a result: a sidecar, no state, no marker.

    A run that was killed after the store had its copy leaves the directory without that form.
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
def _comes_whole(target: Path) -> Iterator[Path]:
    """A hidden directory next to ``target`` that takes its place when the block has finished."""
    workdir = unfinished(target)
    workdir.mkdir(parents=True)
    try:
        yield workdir
        os.replace(workdir, target)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


def _expose(artifact: Artifact, stage: str, run_dir: Path, store: Store) -> Artifact:
    """Copy a stored artifact into the run's directory, where the user may do with it as they like.

    A run that is repeated in its directory finds the copy there and makes no second one.
    """
    if store.root not in artifact.path.parents:
        return artifact
    former = run_dir / stage / artifact.path.name
    if _is_copy(former, artifact):
        return replace(artifact, path=former)
    target = free_path(run_dir, stage)
    with _comes_whole(target) as workdir:
        shutil.copytree(artifact.path.parent, workdir, dirs_exist_ok=True)
    return replace(artifact, path=target / artifact.path.name)


def _is_copy(file: Path, artifact: Artifact) -> bool:
    """Whether ``file`` and what lies with it are an unchanged copy of a stored artifact."""
    try:
        sidecar = read_sidecar(file)
    except HooklineError:
        return False
    return (
        sidecar is not None and replace(sidecar.artifact, path=artifact.path) == artifact and not any(sidecar.damaged())
    )


def _notes(artifact: Artifact, inputs: Iterable[Artifact]) -> tuple[str, ...]:
    """Remarks travel on: what was remarked on an input holds for what was made from it."""
    inherited = [note for given in inputs for note in given.notes]
    return tuple(dict.fromkeys([*inherited, *artifact.notes]))
