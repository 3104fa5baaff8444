"""The command that resumes a run, and what ``resume=true`` can mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HooklineError
from core.files.quoting import command, hydra_quoted
from core.storage.incomplete import latest

if TYPE_CHECKING:
    from core.kinds.lifecycle import Plan, Step


def resumption(overrides: Sequence[str], step: Step, run_dir: Path, retry: Sequence[str] = ()) -> str:
    """The command that resumes a run, or repeats it where there is nothing to resume.

    Args:
        overrides: What was given on the command line.
        step: The step in which the run is, or ended.
        run_dir: The run's directory, where an incremental stage continues.
        retry: Options that must be set for it to succeed.
    """
    changed = {"resume", *(item.partition("=")[0] for item in retry)}
    words = [item for item in overrides if item.partition("=")[0] not in changed]
    if not step.stage.resumes(step.config):
        return command([*words, *retry])
    if step.stage.incremental:
        words = [item for item in words if not item.startswith("hydra.run.dir=")]
        words.append(f"hydra.run.dir={_quoted(run_dir)}")
    return command([*words, *retry, "resume=true"])


def way_on(
    overrides: Sequence[str], error: BaseException, step: Step | None, run_dir: Path, *, kept: bool = False
) -> str:
    """The command that continues after ``error``; empty where it would only fail again, or start from the beginning.

    Args:
        overrides: What was given on the command line.
        error: Why the run ended.
        step: The step in which it ended.
        run_dir: The run's directory.
        kept: The step had finished something, which is kept. A stage that is not stored continues with the next item;
            another one would meet the same error again.
    """
    retry = error.retry if isinstance(error, HooklineError) else ()
    outside = isinstance(error, KeyboardInterrupt | OSError) or isinstance(error.__cause__, OSError)
    if step is None:
        return command(overrides) if outside else ""
    stage = step.stage
    if stage.resumes(step.config):
        state = not stage.incremental or latest(run_dir, stage.name) is not None
        if state and (outside or retry or (kept and not stage.stored)):
            return resumption(overrides, step, run_dir, retry)
    changed = {item.partition("=")[0] for item in retry} | ({"resume"} if stage.incremental else set())
    words = [item for item in overrides if item.partition("=")[0] not in changed]
    return command([*words, *retry]) if outside or retry else ""


def _quoted(path: Path) -> str:
    """A path as Hydra's grammar takes it, relative to the working directory where it lies below."""
    here = Path.cwd()
    return hydra_quoted(str(path.relative_to(here) if here in path.parents else path))


def check_resumable(plan: Plan, run_dir: Path, note: Callable[[str], None]) -> None:
    """Refuse ``resume=true`` where there is nothing to resume, as far as it is known before the run."""
    stages = [step.stage for step in plan.steps if step.stage.resumes(step.config)]
    if not stages:
        note("resume=true has no effect: no stage of this plan keeps a state; finished stages come from the store")
    elif all(stage.incremental and not stage.stored and latest(run_dir, stage.name) is None for stage in stages):
        raise HooklineError(
            f"resume=true, but '{run_dir}' holds no incomplete results of '{stages[0].name}'",
            "name the directory of the interrupted run with hydra.run.dir=<directory>, or leave resume=true out",
        )
