"""What an evaluation leaves behind: metrics.json, and COCO files that anybody can score again."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.artifacts import AnyModel, Dataset, Metrics
from core.detections import Filter
from core.evaluation.loop import Evaluation
from core.evaluation.scores import Scores
from core.media.tolerance import Tolerance
from core.parts import Session
from stages.evaluate import EvaluateConfig


@dataclass(frozen=True)
class Outcome:
    """Everything that metrics.json tells of."""

    model: AnyModel
    dataset: Dataset
    split: str
    protocol: Mapping[str, Any]
    evaluation: Evaluation
    scores: Scores
    tolerance: Tolerance
    notes: tuple[str, ...]


def protocol_of(config: EvaluateConfig, session: Session, wanted: Filter) -> dict[str, Any]:
    """How it was measured, in full."""
    return {
        **asdict(wanted),
        "layout": session.layout.value,
        "score_threshold": session.score_threshold,
        "height": session.contract.height,
        "width": session.contract.width,
        "single_class": config.single_class,
        "batch": config.batch,
        "rectangular": config.rectangular,
        "upscale": config.upscale,
        "processor": config.processor,
        "pycocotools": importlib.metadata.version("pycocotools"),
    }


def write_outcome(
    outcome: Outcome, truth: Mapping[str, Any], found: Sequence[Mapping[str, Any]], folder: Path
) -> Metrics:
    """Write the three files into ``folder``."""
    _write(folder / "ground_truth.json", truth)
    _write(folder / "predictions.json", found)
    values = _values(outcome.scores, outcome.evaluation)
    content = {
        "model": {
            "type": type(outcome.model).__name__,
            "path": str(outcome.model.path),
            "sha256": outcome.model.sha256,
        },
        "data": {"path": str(outcome.dataset.path), "sha256": outcome.dataset.sha256, "split": outcome.split},
        "protocol": outcome.protocol,
        "values": values,
        "all": asdict(outcome.scores.all),
        "classes": [asdict(row) for row in outcome.scores.classes],
        "classes_without_objects": outcome.scores.absent,
        "unreadable": [asdict(item) for item in outcome.tolerance.unreadable],
        "notes": outcome.notes,
    }
    target = _write(folder / "metrics.json", content, indent=1)
    return Metrics(path=target, values=values, notes=outcome.notes)


def _values(scores: Scores, evaluation: Evaluation) -> dict[str, float]:
    """The figures for summary.json."""
    return {
        **scores.stats,
        "precision": scores.all.precision,
        "recall": scores.all.recall,
        "confidence": scores.confidence,
        "pictures": scores.all.images,
        "instances": scores.all.instances,
        **{f"{phase}_ms": value for phase, value in evaluation.milliseconds().items()},
        "seconds": evaluation.wall,
    }


def _write(target: Path, content: Any, indent: int | None = None) -> Path:
    target.write_text(
        json.dumps(content, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8", errors="surrogateescape"
    )
    return target
