"""The arguments of lifecycle hooks: the plan with its steps, and the summary of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from core.artifacts import Artifact
from core.errors import code_of, reason_of
from core.kinds.stage import Stage
from core.process.resources import machine
from core.process.versions import versions
from core.storage.serial import DataclassInstance


@dataclass(frozen=True)
class Step:
    """One stage of a plan.

    Attributes:
        stage: The descriptor of the stage.
        config: The options of the stage, with ``auto`` resolved.
        requested: The stage was named in ``+stage=``; the plan added all others.
        inputs: Maps each parameter to the index in ``Plan.steps`` of the step that makes the input. Optional inputs
            that are not passed are missing.
        provides: Type of the artifact that this step returns.
        parts: (kind, name) of every part that affects the result, e.g. ``("calibrators", "percentile")``.
    """

    stage: Stage
    config: DataclassInstance
    requested: bool
    inputs: Mapping[str, int]
    provides: type[Artifact]
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Plan:
    """A checked chain of stages: every input of a step is made by an earlier one. Read only.

    ``str(plan)`` is e.g. ``load → export → [build]``, with the requested stages in brackets.

    Attributes:
        steps: The steps in the order in which they run.
        choices: One line for each ``auto`` that was resolved, with the choice and its reason, and one for the runtime
            that opens ONNX files, if a step needs it.
    """

    steps: tuple[Step, ...]
    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " → ".join(f"[{step.stage.name}]" if step.requested else step.stage.name for step in self.steps)


@dataclass
class StageRecord:
    """The result of one stage.

    Attributes:
        name: Name of the stage.
        status: ``ran``, ``reused``, ``failed``, ``interrupted``, or ``incomplete`` if it ended early and its finished
            part is kept.
        seconds: Wall time in seconds, including the time to wait for another run.
        peak_memory: Peak resident memory of the process during the stage, in bytes; 0 if unknown.
        artifact: ``type``, ``path`` and ``sha256`` of the artifact; empty if there is none.
        error: Why it failed, in one line; empty if it did not.
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
        path: Path of the file, in the run directory.
        command: Command line of the run, quoted for a shell.
        overrides: Arguments of the command line.
        status: ``running``, ``finished``, ``failed`` or ``interrupted``. The status of a killed run remains
            ``running``.
        seconds: Wall time of the run in seconds.
        stages: One record per stage that has ended, in order.
        metrics: Accuracies, latencies and counts by stage: ``values`` of its artifact, also for an incomplete stage.
        choices: How each ``auto`` was resolved, one line each, as in ``Plan.choices``.
        warnings: Warnings of stages and plugins, one line each.
        error: Why the run failed, in one line; empty if it finished.
        resume: The command that resumes a failed or interrupted run; empty if it cannot be resumed.
        code: Class of the error: ``user_error``, ``unavailable``, ``interrupted`` or ``internal_error``; empty while
            the run is in progress and if it finished.
        distributions: Versions of the distributions of third-party plugins that took part; for a module of
            ``$HOOKLINE_PLUGINS``, a prefix of the digest of its code.
        written: The file has been written by this run.
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
        """Record that ``error`` ended the run."""
        self.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        self.code, self.error = code_of(error), reason_of(error)

    def as_json(self) -> dict[str, object]:
        """Return the content of summary.json as JSON values: the fields, ``machine`` and ``versions``.

        ``versions`` contains ``distributions``, hookline, Python and the packages that hookline uses.
        """
        content = asdict(self) | {"machine": machine()}
        content["versions"] = versions() | content.pop("distributions")
        content["path"] = str(self.path) if content.pop("written") else ""
        return content
