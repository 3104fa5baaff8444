"""What an evaluation leaves behind: metrics.json, and COCO files that anybody can score again."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core.artifacts import AnyModel, Dataset, Metrics
from core.dataset import Sample, sample_names
from core.detections import Filter
from core.errors import counted
from core.evaluation.loop import Evaluation
from core.evaluation.scores import Scores
from core.evaluation.table import class_table
from core.media.tolerance import Tolerance, Unreadable
from core.parts import Session
from core.serial import json_text
from core.titles import describe
from stages.evaluate import EvaluateConfig
from stages.evaluate.decode_cost import Cost
from stages.evaluate.table import cost_table, speed_lines

NAMED = 5
"""Images that a note names; metrics.json names all."""


@dataclass(frozen=True)
class Outcome:
    """Everything that metrics.json contains.

    ``cost_remark`` says why ``cost`` is None; it is empty where the model has no decode that could cost anything.
    """

    model: AnyModel
    dataset: Dataset
    split: str
    protocol: Mapping[str, object]
    evaluation: Evaluation
    scores: Scores
    faults: Faults
    notes: tuple[str, ...]
    cost: Cost | None
    cost_remark: str


@dataclass(frozen=True)
class Faults:
    """Images that were skipped, and damaged ones that were used, with the reason.

    They have the names that they have wherever the data set lies.
    """

    unreadable: Sequence[Unreadable]
    damaged: Mapping[str, str]

    def notes(self, total: int) -> Iterator[str]:
        """Yield remarks for every run that uses the result, out of ``total`` images."""
        if self.unreadable:
            named = _named([item.name for item in self.unreadable])
            yield f"{len(self.unreadable)} of {counted(total, 'image')} could not be read, not evaluated: {named}"
        if self.damaged:
            named = _named([*self.damaged])
            yield f"{len(self.damaged)} of {counted(total, 'image')} damaged, evaluated all the same: {named}"


def faults_of(tolerance: Tolerance, samples: Sequence[Sample]) -> Faults:
    """Return what went wrong while the images were read."""
    names = {str(sample.picture): name for sample, name in zip(samples, sample_names(samples), strict=True)}
    return Faults(
        [replace(item, name=names[item.name]) for item in tolerance.unreadable],
        {names[path]: reason for path, reason in tolerance.damaged.items()},
    )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(f"'{name}'" for name in names[:NAMED]) + more


def protocol_of(config: EvaluateConfig, session: Session, wanted: Filter) -> dict[str, object]:
    """How it was measured, in full."""
    return {
        **asdict(wanted),
        "layout": session.layout,
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
    outcome: Outcome, truth: Mapping[str, object], found: Sequence[Mapping[str, object]], folder: Path
) -> Metrics:
    """Write the three files into ``folder``.

    They hold digests and no paths: the result is reused for the same model and images elsewhere.
    """
    _write(folder / "ground_truth.json", truth)
    _write(folder / "predictions.json", found)
    values = _values(outcome.scores, outcome.evaluation) | (outcome.cost.values() if outcome.cost else {})
    content = {
        "model": describe(outcome.model),
        "data": {"digest": outcome.dataset.digest, "split": outcome.split},
        "protocol": outcome.protocol,
        "values": values,
        "all": asdict(outcome.scores.all),
        "classes": [asdict(row) for row in outcome.scores.classes],
        "classes_without_objects": outcome.scores.absent,
        "decode_cost": asdict(outcome.cost) if outcome.cost else None,
        "unreadable": [asdict(item) for item in outcome.faults.unreadable],
        "damaged": outcome.faults.damaged,
        "notes": outcome.notes,
    }
    target = _write(folder / "metrics.json", content, indent=1)
    cost = cost_table(outcome.cost, outcome.scores) if outcome.cost else outcome.cost_remark
    report = (class_table(outcome.scores), cost, speed_lines(outcome.evaluation))
    return Metrics(path=target, values=values, notes=outcome.notes, report=tuple(filter(None, report)))


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


def _write(target: Path, content: object, indent: int | None = None) -> Path:
    target.write_text(json_text(content, indent) + "\n", encoding="utf-8")
    return target
