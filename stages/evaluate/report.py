"""What an evaluation leaves behind: metrics.json, and COCO files that anybody can score again."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core.artifacts import AnyModel, Dataset, Metrics
from core.dataset import Sample, sample_names
from core.detections import Filter
from core.evaluation.loop import Evaluation
from core.evaluation.scores import Scores
from core.media.tolerance import Tolerance, Unreadable
from core.parts import Session
from core.titles import describe
from stages.evaluate import EvaluateConfig
from stages.evaluate.table import class_table, speed_line


@dataclass(frozen=True)
class Outcome:
    """Everything that metrics.json contains."""

    model: AnyModel
    dataset: Dataset
    split: str
    protocol: Mapping[str, Any]
    evaluation: Evaluation
    scores: Scores
    unreadable: Sequence[Unreadable]
    notes: tuple[str, ...]


def unreadable_pictures(tolerance: Tolerance, samples: Sequence[Sample]) -> list[Unreadable]:
    """Return the images that were skipped, by the names that they have wherever the data set lies."""
    names = {str(sample.picture): name for sample, name in zip(samples, sample_names(samples), strict=True)}
    return [replace(item, name=names[item.name]) for item in tolerance.unreadable]


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
    """Write the three files into ``folder``.

    They hold digests and no paths: the result is reused for the same model and images elsewhere.
    """
    _write(folder / "ground_truth.json", truth)
    _write(folder / "predictions.json", found)
    values = _values(outcome.scores, outcome.evaluation)
    content = {
        "model": describe(outcome.model),
        "data": {"digest": outcome.dataset.digest, "split": outcome.split},
        "protocol": outcome.protocol,
        "values": values,
        "all": asdict(outcome.scores.all),
        "classes": [asdict(row) for row in outcome.scores.classes],
        "classes_without_objects": outcome.scores.absent,
        "unreadable": [asdict(item) for item in outcome.unreadable],
        "notes": outcome.notes,
    }
    target = _write(folder / "metrics.json", content, indent=1)
    report = (class_table(outcome.scores), speed_line(outcome.evaluation))
    return Metrics(path=target, values=values, notes=outcome.notes, report=report)


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
