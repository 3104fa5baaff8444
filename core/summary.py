"""``summary.json``: the one machine-readable result of a run, written by a lifecycle plugin."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core import memory
from core.cores import usable_cores
from core.errors import HooklineError, code_of, reason_of
from core.hookspecs import hookimpl
from core.masking import masked
from core.output_paths import output_path, write_file
from core.regular_file import read_regular
from core.resuming import resumption
from core.versions import versions

if TYPE_CHECKING:
    from core.artifacts import Artifact
    from core.plan import Plan, Step


@dataclass
class StageRecord:
    """What became of one stage.

    Attributes:
        name: Name of the stage.
        status: ``ran``, ``reused``, ``failed``, ``interrupted``, or ``incomplete``: it ended early, and what it had
            finished is kept.
        seconds: Wall time, waiting for another run included.
        peak_memory: Highest resident memory of the process during the stage, bytes; 0 where not known.
        artifact: ``type``, ``path`` and ``sha256`` of what it gave; empty where it gave nothing.
        error: Why it failed, one line; empty where it did not.
    """

    name: str
    status: str
    seconds: float
    peak_memory: int = 0
    artifact: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


@dataclass
class Summary:
    """The content of summary.json.

    Attributes:
        path: The file, in the directory of the run.
        command: The command line of the run, quoted for a shell.
        overrides: Its arguments.
        status: ``running``, ``finished``, ``failed`` or ``interrupted``. A run that was killed stays ``running``.
        seconds: Wall time of the run.
        stages: One record per stage that has ended, in the order of work.
        metrics: Accuracies, latencies and counts by stage: ``values`` of the stage's artifact, also of what an
            incomplete stage has finished.
        choices: What each ``auto`` became, one line each, as in ``Plan.choices``.
        warnings: What stages and plugins warned of, one line each.
        error: Why the run ended, one line; empty where it finished.
        resume: The command that continues a run that failed or was interrupted; empty where none can.
        code: What ended the run: ``user_error``, ``unavailable``, ``interrupted`` or ``internal_error``; empty while it
            runs and where it finished.
        distributions: Version by distribution of the outside plugins that took part; of a module of
            ``$HOOKLINE_PLUGINS`` the start of the digest of its code.
        written: The file exists and is that of this run.
    """

    path: Path
    command: str
    overrides: list[str]
    status: str = "running"
    seconds: float = 0.0
    stages: list[StageRecord] = field(default_factory=list)
    metrics: dict[str, Mapping[str, float]] = field(default_factory=dict)
    choices: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str = ""
    resume: str = ""
    code: str = ""
    distributions: dict[str, str] = field(default_factory=dict)
    written: bool = False

    def end(self, error: BaseException) -> None:
        """Record that the run ended by ``error``."""
        self.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        self.code, self.error = code_of(error), reason_of(error)

    def as_json(self) -> dict[str, object]:
        """Return the content of summary.json as JSON values: these fields and ``machine``.

        ``versions`` holds ``distributions`` with hookline, Python and the packages that it works with.
        """
        content = asdict(self) | {"machine": machine()}
        content["versions"] = versions() | content.pop("distributions")
        content["path"] = str(self.path) if content.pop("written") else ""
        return content


class Recorder:
    """The lifecycle plugin of one run: fills its :class:`Summary` stage by stage."""

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self.step: Step | None = None
        self.kept = False
        self._start = 0.0

    @hookimpl
    def hookline_before_run(self, plan: Plan) -> None:
        """Keep what ``auto`` became."""
        self.summary.choices.extend(plan.choices)

    @hookimpl
    def hookline_before_stage(self, step: Step) -> None:
        """Start the clock and the memory mark, and say how to resume should the process be killed now."""
        self.step = step
        self.summary.resume = resumption(self.summary.overrides, step, self.summary.path.parent)
        write_summary(self.summary)
        self._start = time.perf_counter()
        memory.reset_peak()

    @hookimpl
    def hookline_after_stage(self, step: Step, artifact: Artifact, reused: bool, seconds: float) -> None:
        """Record a stage that gave its artifact, with its figures."""
        made = self._made(step, artifact)
        status = "reused" if reused else "ran"
        self.summary.stages.append(StageRecord(step.stage.name, status, seconds, memory.peak(), made))

    @hookimpl
    def hookline_stage_failed(self, step: Step, error: BaseException, kept: Artifact | None) -> None:
        """Record why a stage failed, and what it had finished."""
        self.kept = kept is not None
        made = self._made(step, kept) if kept else {}
        ended = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        status = "incomplete" if kept else ended
        seconds = time.perf_counter() - self._start
        reason = reason_of(error)
        self.summary.stages.append(StageRecord(step.stage.name, status, seconds, memory.peak(), made, reason))

    def _made(self, step: Step, artifact: Artifact) -> dict[str, str]:
        values = getattr(artifact, "values", None)
        if isinstance(values, Mapping):
            self.summary.metrics[step.stage.name] = values
        return {"type": type(artifact).__name__, "path": str(artifact.path), "sha256": artifact.sha256}


@hookimpl
def hookline_after_run(summary: Summary) -> None:
    """Write the summary next to what the run made."""
    write_summary(summary)


_KEYS = {"summary.json": {"command", "stages", "versions"}, "status.json": {"state", "pid", "started"}}
"""By the names of the files that a run replaces, what marks them as a run's."""


def check_replaced(run_dir: Path) -> None:
    """Refuse to replace a file that no run has written.

    Raises:
        HooklineError: The user keeps a file of their own there.
    """
    for name, keys in _KEYS.items():
        path = output_path(run_dir, name)
        if path.exists() and not _has_keys(path, keys):
            raise HooklineError(
                f"'{path}' was not written by hookline, and a run would replace it",
                "move it, or choose another directory with hydra.run.dir=",
            )


def _has_keys(path: Path, keys: set[str]) -> bool:
    try:
        return keys <= set(json.loads(read_regular(path)))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def write_summary(summary: Summary) -> None:
    """Write ``summary.json``, as a whole or not at all."""
    summary.written = True
    write_file(summary.path, (masked(json.dumps(summary.as_json(), indent=1)) + "\n").encode())


def machine() -> dict[str, str]:
    """Operating system, processor, usable cores."""
    return {"system": platform.platform(), "processor": _processor(), "cores": str(usable_cores() or os.cpu_count())}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
