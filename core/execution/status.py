"""``status.json``: how far a run is, for other programs. It is replaced as a whole while the run goes."""

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
"""Seconds between two writes of progress; a change of stage or state is written at once."""


@dataclass
class Advance:
    """The piece of work that counted its steps last.

    Attributes:
        title: What is done, e.g. ``epoch 3/100``.
        done: Finished steps.
        total: All steps; None where it is not known.
        unit: Of the steps, e.g. ``images``.
        rate: Steps per second since it began.
        note: The newest remark, e.g. the losses.
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
        state: ``running``, ``finished``, ``failed`` or ``interrupted``. A run that was killed stays ``running``: its
            process ``pid`` on ``host`` is gone.
        pid: The process of the run.
        host: Name of its machine.
        started: When the run started.
        updated: When the file was written.
        stage: The stage that runs, or the last one that ran.
        step: Its number in the plan, from 1.
        steps: Number of stages in the plan.
        progress: The work that counted its steps last; null where nothing is counted.
        figures: The newest figures by stage: of the last epoch while a training runs, the metrics of finished stages.
        code: What ended the run, as in summary.json; empty while it runs and where it finished.
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
    """Writes the status of one run: a lifecycle plugin that also receives progress and figures.

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
        """Name the stage that begins."""
        self.status.stage, self.status.step, self.status.progress = step.stage.name, self.status.step + 1, None
        self._write()

    @hookimpl
    def hookline_after_stage(self, step: Step, artifact: Artifact) -> None:
        """Keep the metrics of a stage that finished."""
        values = getattr(artifact, "values", None)
        if isinstance(values, Mapping):
            self.status.figures[step.stage.name] = values
        self._write()

    @hookimpl
    def hookline_after_run(self, summary: Summary) -> None:
        """Say how the run ended."""
        self.status.state, self.status.code, self.status.error = summary.status, summary.code, summary.error
        if summary.status == "finished":
            self.status.progress = None
        self._write()

    def progress(self, title: str, total: int | None, unit: str) -> Progress:
        """Begin a piece of work that counts its steps."""
        return _Followed(Advance(title.strip(), total=total, unit=unit), self.show)

    def show(self, advance: Advance) -> None:
        """Write how far a piece of work is, unless progress was written a moment ago."""
        self.status.progress = advance
        self._write_seldom()

    def figures(self, values: Mapping[str, float]) -> None:
        """Keep the newest figures of the stage that runs."""
        self.status.figures[self.status.stage] = values
        self._write_seldom()

    def _write_seldom(self) -> None:
        if time.monotonic() - self._written >= INTERVAL:
            self._write()

    def _write(self) -> None:
        """Write the file. A full disk ends no run here: the run's own files report it."""
        self._written = time.monotonic()
        self.status.updated = _now()
        with suppress(OSError):
            write_file(self._file, (masked(json_text(asdict(self.status), 1)) + "\n").encode())


class _Followed:
    """Counts the steps of one piece of work."""

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
