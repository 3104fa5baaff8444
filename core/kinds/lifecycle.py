"""What lifecycle hooks are given: the plan with its steps, and the summary of the run."""

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
        stage: The descriptor; ``step.stage.name`` is its name.
        config: Its options, an instance of the dataclass that its function takes, with ``auto`` resolved.
        asked: Named in ``+stage=``, not added by the plan.
        inputs: Index in ``Plan.steps`` of the step that makes an input, by the name of the parameter. An optional input
            that is left out is not in it.
        provides: Type of the artifact that this step gives.
        parts: (kind, name) of every part that affects the result, e.g. ``("calibrators", "percentile")``.
    """

    stage: Stage
    config: DataclassInstance
    asked: bool
    inputs: Mapping[str, int]
    provides: type[Artifact]
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Plan:
    """A checked chain: every input of a step is made by an earlier one. Do not change it.

    ``str(plan)`` is ``load → export → [build]``, with the stages that were asked for in brackets.

    Attributes:
        steps: In the order of work.
        choices: One line for each ``auto`` that was resolved: what was picked and why. One more for the runtime that
            opens ONNX files, where a step needs it.
    """

    steps: tuple[Step, ...]
    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " → ".join(f"[{step.stage.name}]" if step.asked else step.stage.name for step in self.steps)


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
