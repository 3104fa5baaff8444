"""``status.json``: the progress of a run, for other programs. The file is replaced atomically while the run works."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from core.files.paths import output_path, write_file
from core.masking import masked
from core.plugins.hookspecs import hookimpl
from core.storage.serial import json_text

if TYPE_CHECKING:
    from core.artifacts import Artifact
    from core.kinds.lifecycle import Plan, Step, Summary
    from core.reporting import Progress

INTERVAL = 1.0
"""Minimum number of seconds between two writes of progress; a change of stage or state is written at once."""


@dataclass
class Advance:
    """Progress of the task that advanced last.

    Attributes:
        title: Name of the task, e.g. ``epoch 3/100``.
        done: Number of finished steps.
        total: Number of all steps; None if it is unknown.
        unit: Unit of the steps, e.g. ``images``.
        rate: Steps per second since the start of the task.
        note: The newest note, e.g. the losses.
    """

    title: str
    done: int = 0
    total: int | None = None
    unit: str = ""
    rate: float = 0.0
    note: str = ""


@dataclass
class Status:
    """The content of status.json. Times are ISO 8601 in UTC.

    Attributes:
        state: ``running``, ``finished``, ``failed`` or ``interrupted``. A run that was killed stays ``running``, and
            no process ``pid`` exists on ``host``.
        pid: Process id of the run.
        host: Host name of its machine.
        started: Time of the start of the run.
        updated: Time of the last write of this file.
        stage: The running stage, or the last one that ran.
        step: Its number in the plan, from 1.
        steps: Number of stages in the plan.
        progress: The task that advanced last; null if the stage reports no progress.
        figures: The newest figures by stage: those of the last epoch during training, the metrics of finished stages.
        code: What ended the run, as in summary.json; empty while it runs and if it finished.
        error: Why the run ended, one line.
    """

    state: str
    pid: int
    host: str
    started: str
    updated: str
    stage: str = ""
    step: int = 0
    steps: int = 0
    progress: Advance | None = None
    figures: dict[str, Mapping[str, float]] = field(default_factory=dict)
    code: str = ""
    error: str = ""


class StatusWriter:
    """Lifecycle plugin that writes status.json and receives progress and figures.

    Args:
        run_dir: The run's directory.
    """

    def __init__(self, run_dir: Path) -> None:
        self._file = output_path(run_dir, "status.json")
        self.status = Status("running", os.getpid(), platform.node(), started := _now(), started)
        self._written = 0.0

    @hookimpl
    def hookline_before_run(self, plan: Plan) -> None:
        """Write the first status."""
        self.status.steps = len(plan.steps)
        self._write()

    @hookimpl
    def hookline_before_stage(self, step: Step) -> None:
        """Write the name of the stage that starts."""
        self.status.stage, self.status.step, self.status.progress = step.stage.name, self.status.step + 1, None
        self._write()

    @hookimpl
    def hookline_after_stage(self, step: Step, artifact: Artifact) -> None:
        """Record the metrics of a finished stage."""
        values = getattr(artifact, "values", None)
        if isinstance(values, Mapping):
            self.status.figures[step.stage.name] = values
        self._write()

    @hookimpl
    def hookline_after_run(self, summary: Summary) -> None:
        """Write how the run ended."""
        self.status.state, self.status.code, self.status.error = summary.status, summary.code, summary.error
        if summary.status == "finished":
            self.status.progress = None
        self._write()

    def progress(self, title: str, total: int | None, unit: str) -> Progress:
        """Return the progress of a new task."""
        return _TaskProgress(Advance(title.strip(), total=total, unit=unit), self.show)

    def show(self, advance: Advance) -> None:
        """Record the progress of a task and write it, at most once per :data:`INTERVAL`."""
        self.status.progress = advance
        self._write_limited()

    def figures(self, values: Mapping[str, float]) -> None:
        """Record the newest figures of the running stage."""
        self.status.figures[self.status.stage] = values
        self._write_limited()

    def _write_limited(self) -> None:
        if time.monotonic() - self._written >= INTERVAL:
            self._write()

    def _write(self) -> None:
        """Write the file. Ignore a full disk: the writes of the run's results report it."""
        self._written = time.monotonic()
        self.status.updated = _now()
        with suppress(OSError):
            write_file(self._file, (masked(json_text(asdict(self.status), 1)) + "\n").encode())


class _TaskProgress:
    """Counts the steps of one task."""

    def __init__(self, state: Advance, show: Callable[[Advance], None]) -> None:
        self._state, self._show = state, show
        self._start = time.monotonic()
        show(state)

    def advance(self, steps: int = 1, note: str = "") -> None:
        state = self._state
        state.done += steps
        state.note = note or state.note
        state.rate = round(state.done / max(time.monotonic() - self._start, 1e-3), 3)
        self._show(state)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
