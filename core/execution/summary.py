"""``summary.json``: the machine-readable result of a run, written by a lifecycle plugin."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HooklineError, reason_of
from core.execution.resuming import resume_command
from core.files.paths import output_path, write_file
from core.files.regular_file import read_regular
from core.kinds.lifecycle import StageRecord, Summary
from core.masking import masked
from core.plugins.hookspecs import hookimpl
from core.process import resources

if TYPE_CHECKING:
    from core.artifacts import Artifact
    from core.kinds.lifecycle import Plan, Step


class SummaryRecorder:
    """Lifecycle plugin of one run: fills its :class:`Summary` stage by stage."""

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self.step: Step | None = None
        self.kept = False
        self._start = 0.0

    @hookimpl
    def hookline_before_run(self, plan: Plan) -> None:
        """Record the resolved ``auto`` options."""
        self.summary.choices.extend(plan.choices)

    @hookimpl
    def hookline_before_stage(self, step: Step) -> None:
        """Write the command to resume, in case the process is killed; start the measurement of time and memory."""
        self.step = step
        self.summary.resume = resume_command(self.summary.overrides, step, self.summary.path.parent)
        write_summary(self.summary)
        self._start = time.perf_counter()
        resources.reset_peak()

    @hookimpl
    def hookline_after_stage(self, step: Step, artifact: Artifact, reused: bool, seconds: float) -> None:
        """Record a finished stage with its artifact and figures."""
        made = self._made(step, artifact)
        status = "reused" if reused else "ran"
        self.summary.stages.append(StageRecord(step.stage.name, status, seconds, resources.peak(), made))

    @hookimpl
    def hookline_stage_failed(self, step: Step, error: BaseException, kept: Artifact | None) -> None:
        """Record why a stage failed, and the results that it kept."""
        self.kept = kept is not None
        made = self._made(step, kept) if kept else {}
        ended = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        status = "incomplete" if kept else ended
        seconds = time.perf_counter() - self._start
        reason = reason_of(error)
        self.summary.stages.append(StageRecord(step.stage.name, status, seconds, resources.peak(), made, reason))

    def _made(self, step: Step, artifact: Artifact) -> dict[str, str]:
        values = getattr(artifact, "values", None)
        if isinstance(values, Mapping):
            self.summary.metrics[step.stage.name] = values
        return {"type": type(artifact).__name__, "path": str(artifact.path), "sha256": artifact.sha256}


@hookimpl
def hookline_after_run(summary: Summary) -> None:
    """Write summary.json."""
    write_summary(summary)


_KEYS = {"summary.json": {"command", "stages", "versions"}, "status.json": {"state", "pid", "started"}}
"""Files that a run replaces, with the keys by which one of an earlier run is recognised."""


def check_replaced(run_dir: Path) -> None:
    """Refuse to replace a file that no run has written.

    Raises:
        HooklineError: A summary.json or status.json in the run's directory is a file of the user.
    """
    for name, keys in _KEYS.items():
        path = output_path(run_dir, name)
        if path.exists() and not _has_keys(path, keys):
            raise HooklineError(
                f"'{path}' was not written by hookline, and the run would replace it",
                "move it, or choose another directory with hydra.run.dir=",
            )


def _has_keys(path: Path, keys: set[str]) -> bool:
    try:
        return keys <= set(json.loads(read_regular(path)))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def write_summary(summary: Summary) -> None:
    """Write ``summary.json`` atomically."""
    summary.written = True
    write_file(summary.path, (masked(json.dumps(summary.as_json(), indent=1)) + "\n").encode())
