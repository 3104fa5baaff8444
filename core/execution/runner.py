"""Execution of a plan: reuse stored results, run the other stages, and call the lifecycle hooks."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from core.artifacts import Artifact, Diagnosis, Provenance
from core.containment.failures import failures_named
from core.containment.stage_results import call_stage, check_result
from core.errors import HooklineError, PlanError
from core.execution.observers import Observers
from core.execution.result_folders import complete_folder, expose, make_in_place, make_visible
from core.execution.used_plugins import parts_of_artifact
from core.files.paths import free_path
from core.files.regular_file import disk_errors
from core.kinds.context import RunContext
from core.kinds.lifecycle import Plan, Step
from core.planning.keys import key_of, options_of
from core.planning.known import fitting_problems
from core.planning.planner import settled
from core.process.environment import RANKS
from core.storage.incomplete import IncompleteWork, same_work
from core.storage.store import Store

HEAD_START_SECONDS = 2.0
"""Seconds that a non-zero rank waits, so that the leader takes the lock of a result first."""


def run_plan(
    plan: Plan,
    context: RunContext,
    store: Store,
    observers: Observers,
    *,
    reuse: bool = True,
    resume: bool = False,
) -> list[Artifact]:
    """Run every step and copy the results of the requested stages into the run's directory.

    Args:
        plan: A checked plan.
        context: Context of the run; each step gets a copy with its own ``workdir``.
        store: The store of results.
        observers: The lifecycle hooks.
        reuse: Reuse stored results; False runs every stage.
        resume: Continue the incomplete results of incremental stages in the run's directory.

    Returns:
        The artifact of each step.

    Raises:
        HooklineError: A stage failed, the disk is full, or a diagnosis ends the run.
        PlanError: An artifact does not fit the options of a later stage.
    """
    made: list[Artifact] = []
    for step in plan.steps:
        artifact = _run_observed(step, made, context, store, observers, reuse=reuse, resume=resume)
        made.append(artifact)
        if isinstance(artifact, Diagnosis) and artifact.problem:
            raise HooklineError(artifact.problem, artifact.remedy)  # after the report has been copied
        if problems := list(fitting_problems(plan.steps, made, context)):
            raise PlanError(problems)
    return made


def _run_observed(
    step: Step,
    made: list[Artifact],
    context: RunContext,
    store: Store,
    observers: Observers,
    *,
    reuse: bool,
    resume: bool,
) -> Artifact:
    """Run one step, call its lifecycle hooks, and print the notes of its artifact."""
    observers.notify("before_stage", step=step)
    start, kept = time.perf_counter(), list[Artifact]()
    try:
        with _failures_named(step, made, context), disk_errors():
            artifact, reused = _run_step(step, made, replace(context, kept=kept), store, reuse=reuse, resume=resume)
            if step.requested and step.stage.stored:
                artifact = expose(artifact, step.stage.name, context.run_dir, store)
    except BaseException as error:
        observers.notify("stage_failed", step=step, error=error, kept=kept[0] if kept else None)
        raise
    for note in artifact.notes:  # notes of reused results still apply
        context.warn(note)
    if reused and step.stage.measures:
        context.note(_measured_before(step, artifact))
    seconds = time.perf_counter() - start
    observers.notify("after_stage", step=step, artifact=artifact, reused=reused, seconds=seconds)
    return artifact


def _failures_named(step: Step, made: list[Artifact], context: RunContext) -> AbstractContextManager[None]:
    """Add the name of an outside plugin to the errors of its code in a step."""
    name = step.stage.name
    author = context.registry.origin("stages", name)
    return failures_named(f"stage '{name}'", context, lambda: _used_parts(step, made), author)


def _used_parts(step: Step, made: list[Artifact]) -> Iterator[tuple[str, str]]:
    """Yield kind and name of the parts that a step uses: those of its options and of its input models."""
    yield from step.parts
    for index in step.inputs.values():
        yield from parts_of_artifact(made[index])


def _measured_before(step: Step, artifact: Artifact) -> str:
    """Return the note about times that come from the store."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(artifact.path.stat().st_mtime))
    return f"{step.stage.name}: reused; times were measured by an earlier run, {when} (reuse=false measures again)"


def make_steps(plan: Plan, context: RunContext, store: Store, *, reuse: bool = True) -> list[Artifact]:
    """Make the artifact of each step in the store, without a run's directory and without lifecycle hooks.

    Raises:
        HooklineError: A stage failed.
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
    """Run the collective stages of a plan in a non-zero rank.

    Results of the other stages come from the store, to which the leader writes. Nothing is printed.
    """
    time.sleep(HEAD_START_SECONDS)
    last = max((index for index, step in enumerate(plan.steps) if step.stage.collective), default=-1)
    made: list[Artifact] = []
    for step in plan.steps[: last + 1]:
        made.append(_run_step(step, made, context, store, reuse=True, resume=False)[0])


def _run_step(
    step: Step, made: list[Artifact], context: RunContext, store: Store, *, reuse: bool, resume: bool
) -> tuple[Artifact, bool]:
    """Run one step or reuse its stored result.

    Returns:
        The artifact, and whether it was reused.
    """
    inputs = {name: made[index] for name, index in step.inputs.items()}
    step = settled(step, inputs, context)
    stage, key = step.stage, key_of(step, inputs, context)
    make = _maker(step, inputs, context, key)
    if stage.collective and not RANKS.leader:
        found = store.find(stage.name, key) if reuse else None
        with tempfile.TemporaryDirectory() as folder:
            return found or make(Path(folder)), False
    resume = bool(getattr(step.config, "resume", resume))  # the stage's own option overrides the top-level one
    work = IncompleteWork(stage.name, key, options_of(step, inputs, context))
    if not stage.stored:
        if stage.incremental:
            return make_in_place(make, step, work, context, resume=resume), False
        return make_visible(make, free_path(context.run_dir, stage.name)), False

    def waiting() -> None:
        context.note(f"{stage.name}: another run is making the same result; waiting for it")

    with store.lock(stage.name, key, waiting):
        found = store.find(stage.name, key) if reuse else None
        if found is not None:
            if stage.incremental and (folder_of_killed_run := same_work(context.run_dir, work)):
                complete_folder(folder_of_killed_run, found)
            return _supplemented(step, found, inputs, replace(context, requested=step.requested), store), True
        if stage.incremental:
            return make_in_place(make, step, work, context, resume=resume, store=store), False
        return store.write(stage.name, key, make), False


def _maker(step: Step, inputs: Mapping[str, Artifact], context: RunContext, key: str) -> Callable[[Path], Artifact]:
    """Return the function that runs a stage in a directory and returns its checked artifact."""
    stage, origin = step.stage, context.registry.origin("stages", step.stage.name)
    provenance = Provenance(
        stage=stage.name,
        distribution=str(origin),
        key=key,
        inputs={name: artifact.sha256 for name, artifact in inputs.items()},
    )

    def make(workdir: Path) -> Artifact:
        omitted = {item.name: None for item in stage.signature.inputs if item.name not in inputs}
        own_context = replace(context, workdir=workdir, requested=step.requested)
        arguments = {"config": step.config, "context": own_context, **inputs, **omitted}
        returned = call_stage(stage, arguments, step.parts, context.registry)
        written = workdir if RANKS.leader or not stage.collective else None
        artifact = check_result(stage, origin, returned, written, inputs.values())
        return replace(artifact, provenance=provenance, notes=_notes(artifact, inputs.values()))

    return make


def _supplemented(
    step: Step, found: Artifact, inputs: Mapping[str, Artifact], context: RunContext, store: Store
) -> Artifact:
    """Add files to a stored result that the options request and that it does not have yet."""
    stage, provenance = step.stage, found.provenance
    add = stage.supplement(step.config, found, inputs, context) if stage.supplement and provenance else None
    if add is None or provenance is None:
        return found

    def copy(workdir: Path) -> Artifact:
        shutil.copytree(found.path.parent, workdir, dirs_exist_ok=True, symlinks=True)
        add(workdir)
        return replace(found, path=workdir / found.path.name)

    return store.write(stage.name, provenance.key, copy)


def _notes(artifact: Artifact, inputs: Iterable[Artifact]) -> tuple[str, ...]:
    """Return the notes of an artifact, after those of its inputs, which apply to it too."""
    inherited = [note for given in inputs for note in given.notes]
    return tuple(dict.fromkeys([*inherited, *artifact.notes]))
