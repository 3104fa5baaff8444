"""The lifecycle plugin of one run that records its stages for ``summary.json``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.errors import reason_of
from core.execution.resuming import resume_command
from core.execution.summary import write_summary
from core.kinds.lifecycle import StageRecord, Summary
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
