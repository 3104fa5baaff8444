"""The command that resumes a run, and what ``resume=true`` can mean."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HooklineError

if TYPE_CHECKING:
    from core.plan import Plan, Step


def command(overrides: Sequence[str]) -> str:
    """The shell command of a run."""
    return shlex.join(["python", "-m", "core.run", *overrides])


def resumption(overrides: Sequence[str], failed: Step | None, run_dir: Path) -> str:
    """The command that resumes a run.

    Args:
        overrides: What was given on the command line.
        failed: The step in which the run ended.
        run_dir: The run's directory, where an incremental stage continues.
    """
    if failed is None or not failed.stage.resumes(failed.config):
        return command(overrides)
    words = [item for item in overrides if not item.startswith("resume=")]
    if failed.stage.incremental:
        words = [item for item in words if not item.startswith("hydra.run.dir=")]
        words.append(f"hydra.run.dir={_quoted(run_dir)}")
    return command([*words, "resume=true"])


def _quoted(path: Path) -> str:
    """A path as Hydra's grammar takes it, relative to the working directory where it lies below."""
    here = Path.cwd()
    text = str(path.relative_to(here) if here in path.parents else path)
    if re.fullmatch(r"[\w./:%+-]+", text, re.ASCII):
        return text
    escaped = re.sub(r"\\+(?='|\Z)", lambda found: 2 * found[0], text)  # backslashes elsewhere are plain
    return "'" + escaped.replace("'", "\\'") + "'"


def check_resumable(plan: Plan, overrides: Sequence[str], note: Callable[[str], None]) -> None:
    """Refuse ``resume=true`` where it cannot mean anything."""
    stages = [step.stage for step in plan.steps if step.stage.resumes(step.config)]
    if not stages:
        note("resume=true: no stage of this plan keeps a state; finished stages come from the store")
    elif all(stage.incremental for stage in stages) and not any(
        item.startswith(("hydra.run.dir=", "hydra.sweep.dir=")) for item in overrides
    ):
        raise HooklineError(
            f"resume=true continues '{stages[0].name}' in the directory of the interrupted run, and none is named",
            "name it with hydra.run.dir=<directory>",
        )
