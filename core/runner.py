"""Runs a plan: takes results from the store where they are, makes the others, and tells observers."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pluggy

from core.artifacts import Artifact, Provenance
from core.context import RunContext
from core.errors import HooklineError
from core.plan import Plan, Step, key_of
from core.store import Store, complete, identity


def run_plan(
    plan: Plan, context: RunContext, store: Store, hook: pluggy.HookRelay, *, reuse: bool = True
) -> list[Artifact]:
    """Run every step and put what was asked for into the run's directory.

    Args:
        plan: A checked plan.
        context: The run's context; each step gets it with a ``workdir`` of its own.
        store: Where results are kept.
        hook: For the lifecycle hooks.
        reuse: Take stored results; False makes everything anew.

    Returns:
        The artifact of each step.

    Raises:
        HooklineError: A stage could not do what was asked, or the disk is full.
    """
    made: list[Artifact] = []
    for step in plan.steps:
        hook.hookline_before_stage(step=step)
        start = time.perf_counter()
        try:
            with _disk_errors():
                artifact, reused = _run_step(step, made, context, store, reuse=reuse)
                if step.asked and step.stage.stored:
                    artifact = _expose(artifact, _free(context.run_dir / step.stage.name), store)
        except BaseException as error:
            hook.hookline_stage_failed(step=step, error=error)
            raise
        made.append(artifact)
        for note in artifact.notes:  # also of what came from the store: it is as true as on the first day
            context.warn(note)
        hook.hookline_after_stage(step=step, artifact=artifact, reused=reused, seconds=time.perf_counter() - start)
    return made


def _run_step(
    step: Step, made: list[Artifact], context: RunContext, store: Store, *, reuse: bool
) -> tuple[Artifact, bool]:
    inputs = {name: made[index] for name, index in step.inputs.items()}
    identities = {name: identity(artifact) for name, artifact in inputs.items()}
    key = key_of(step, identities, context)
    stage = step.stage
    provenance = Provenance(
        stage=stage.name,
        distribution=str(context.registry.origin("stages", stage.name)),
        key=key,
        inputs={name: artifact.sha256 for name, artifact in inputs.items()},
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )

    def make(workdir: Path) -> Artifact:
        left_out = {item.name: None for item in stage.signature.inputs if item.name not in inputs}
        artifact = stage.run(config=step.config, context=replace(context, workdir=workdir), **inputs, **left_out)
        return replace(artifact, provenance=provenance, notes=_notes(artifact, inputs.values()))

    if not stage.stored:
        return _make_visible(make, context.run_dir / stage.name), False

    def waiting() -> None:
        context.note(f"{stage.name}: another run is making the same; waiting for it")

    with store.lock(stage.name, key, waiting):
        if not reuse:
            store.forget(stage.name, key)
        elif (found := store.find(stage.name, key)) is not None:
            return found, True
        return store.write(stage.name, key, make), False


def _make_visible(make: Callable[[Path], Artifact], target: Path) -> Artifact:
    """Run ``make`` in a hidden directory that becomes ``target`` when it has finished."""
    target = _free(target)
    workdir = target.with_name(f".{target.name}.unfinished")
    workdir.mkdir(parents=True)
    try:
        artifact = complete(make(workdir))
        if workdir not in artifact.path.parents:
            return artifact
        os.replace(workdir, target)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)
    return replace(artifact, path=target / artifact.path.relative_to(workdir))


def _expose(artifact: Artifact, target: Path, store: Store) -> Artifact:
    """Show a stored artifact in the run's directory: hard links where the disk allows, else copies."""
    if store.root not in artifact.path.parents:
        return artifact
    shutil.copytree(artifact.path.parent, target, copy_function=_link)
    return replace(artifact, path=target / artifact.path.name)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _free(target: Path) -> Path:
    """``target``, or ``target-2`` and so on where a stage runs more than once."""
    number = 2
    candidate = target
    while candidate.exists():
        candidate = target.with_name(f"{target.name}-{number}")
        number += 1
    return candidate


def _notes(artifact: Artifact, inputs: Iterable[Artifact]) -> tuple[str, ...]:
    """Remarks travel on: what was remarked on an input holds for what was made from it."""
    inherited = [note for given in inputs for note in given.notes]
    return tuple(dict.fromkeys([*inherited, *artifact.notes]))


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            where = f" at '{error.filename}'" if error.filename else ""
            raise HooklineError(
                f"no space left on the disk{where}", "free some, or put the store elsewhere with store=<folder>"
            ) from error
        raise
