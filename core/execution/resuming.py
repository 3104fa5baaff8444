"""The printed command that resumes a run, and the check of ``resume=true`` before a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HooklineError
from core.files.quoting import command, hydra_quoted
from core.storage.incomplete import latest

if TYPE_CHECKING:
    from core.kinds.lifecycle import Plan, Step


def resume_command(overrides: Sequence[str], step: Step, run_dir: Path, retry: Sequence[str] = ()) -> str:
    """Return the command that resumes a run, or repeats it if the stage keeps no state.

    Args:
        overrides: The arguments of the command line.
        step: The step that runs or failed.
        run_dir: The run's directory, in which an incremental stage resumes.
        retry: Options that the command needs to succeed.
    """
    words = _without(overrides, ["resume", *retry])
    if not step.stage.resumes(step.config):
        return command([*words, *retry])
    if step.stage.incremental:
        words = [*_without(words, ["hydra.run.dir"]), f"hydra.run.dir={_quoted(run_dir)}"]
    return command([*words, *retry, "resume=true"])


def command_after(
    overrides: Sequence[str], error: BaseException, step: Step | None, run_dir: Path, *, kept: bool = False
) -> str:
    """Return the command that continues after ``error``, or an empty string if it would fail again.

    Args:
        overrides: The arguments of the command line.
        error: Why the run ended.
        step: The step that failed; None before the first step.
        run_dir: The run's directory.
        kept: The step has kept results. A stage that is not stored resumes with the next item; another stage would
            raise the same error again.
    """
    retry = error.retry if isinstance(error, HooklineError) else ()
    outside = isinstance(error, KeyboardInterrupt | OSError) or isinstance(error.__cause__, OSError)
    if step is None:
        return command(overrides) if outside else ""
    stage = step.stage
    if stage.resumes(step.config):
        state = not stage.incremental or latest(run_dir, stage.name) is not None
        if state and (outside or retry or (kept and not stage.stored)):
            return resume_command(overrides, step, run_dir, retry)
    words = _without(overrides, ["resume", *retry] if stage.incremental else retry)
    return command([*words, *retry]) if outside or retry else ""


def _without(overrides: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return the overrides that set none of ``options``, which may be given with values."""
    names = {item.partition("=")[0] for item in options}
    return [item for item in overrides if item.partition("=")[0] not in names]


def _quoted(path: Path) -> str:
    """Return a path in Hydra's grammar, relative to the working directory if it is below it."""
    here = Path.cwd()
    return hydra_quoted(str(path.relative_to(here) if here in path.parents else path))


def check_resumable(plan: Plan, run_dir: Path, note: Callable[[str], None]) -> None:
    """Refuse ``resume=true`` if the run's directory has nothing to resume.

    Raises:
        HooklineError: All stages that can be resumed need incomplete results in ``run_dir``, and there are none.
    """
    stages = [step.stage for step in plan.steps if step.stage.resumes(step.config)]
    if not stages:
        note("resume=true has no effect: no stage of this plan can be resumed; finished stages come from the store")
    elif all(stage.incremental and not stage.stored and latest(run_dir, stage.name) is None for stage in stages):
        raise HooklineError(
            f"resume=true, but '{run_dir}' has no incomplete results of '{stages[0].name}'",
            "give the directory of the interrupted run with hydra.run.dir=<directory>, or remove resume=true",
        )
