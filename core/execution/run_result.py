"""The result of a run that a function call started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.kinds.lifecycle import Summary

if TYPE_CHECKING:
    from core.artifacts import Artifact


@dataclass(frozen=True, repr=False)
class RunResult:
    """The result of a run.

    Attributes:
        summary: The content of summary.json: stages, figures, warnings, versions.
        artifacts: The artifact of each stage of the plan by the name of the stage, also of stages that the plan added;
            ``path`` is its file.
    """

    summary: Summary
    artifacts: dict[str, Artifact]

    @property
    def folder(self) -> Path:
        """The run's directory."""
        return self.summary.path.parent

    def __repr__(self) -> str:
        return f"<hookline.RunResult {self.summary.status}: {' → '.join(self.artifacts)}; '{self.folder}'>"
