"""Results of an evaluation: tables, metrics.json and COCO files."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core.artifacts import AnyModel, Dataset, Metrics
from core.data.dataset import Sample, sample_names
from core.detections import Filter
from core.errors import counted, listed
from core.evaluation.loop import Evaluation
from core.evaluation.scores import Scores, class_table
from core.kinds.session import Session
from core.media.tolerance import Tolerance, Unreadable
from core.storage.serial import json_text
from core.tables import aligned, describe
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.decode_cost import Cost

DECODES = {"one_class": "one class per box", "both": "both, as in the engine"}
MIN_LOST = 0.0005
"""Smallest loss of AP50 that three decimals do not print as 0.000."""


def cost_table(cost: Cost, engine: Scores) -> str:
    """Return the table of what each part of the decode step costs, with the figures of the engine."""
    rows: list[tuple[str, ...]] = [("", "mAP50", "lost", "mAP50-95", "lost")]
    rows.append(("every box, every class", f"{cost.map50:.3f}", "", f"{cost.map50_95:.3f}", ""))
    titles = {"threshold": f"boxes below {cost.threshold:g} dropped", **DECODES}
    found = [(titles[part.decode.name], part.map50, part.map50_95) for part in cost.parts]
    for title, *left in (*found, ("the engine itself", engine.stats["map50"], engine.stats["map50_95"])):
        pairs = zip(left, (cost.map50, cost.map50_95), strict=True)
        rows.append((title, *(_figure(number) for value, full in pairs for number in (value, full - value))))
    lines = [
        f"What the engine's decode costs, on the same {counted(cost.images, 'image')} at confidence {cost.conf:g}:",
        f"(measured on the {cost.precision} model before the graft, opened by {cost.runtime})",
        *aligned(rows),
    ]
    lines += [
        f"{titles[part.decode.name]}: class '{part.worst}' loses most, {part.worst_lost:.3f} of its AP50"
        for part in cost.parts[:2]
        if part.worst_lost >= MIN_LOST
    ]
    return "\n".join(lines)


def speed_lines(evaluation: Evaluation) -> str:
    """Return milliseconds per image by phase, and images per second of the whole."""
    phases = ", ".join(f"{phase} {value:.1f}" for phase, value in evaluation.milliseconds().items())
    count = len(evaluation.images)
    rate = count / evaluation.wall if evaluation.wall else 0.0
    return f"ms per image: {phases}\n{counted(count, 'image')} in {evaluation.wall:.1f} s ({rate:.1f} images/s)"


def _figure(number: float) -> str:
    """Format a number with three digits, without a minus sign for zero."""
    return f"{round(number, 3) + 0.0:.3f}"


NAMED = 5
"""Maximum number of images that a note names; metrics.json names all."""


@dataclass(frozen=True)
class EvaluationReport:
    """The content of metrics.json.

    ``cost_remark`` is the reason if ``cost`` is None; it is empty for a model without a decode.
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
    """Images that were skipped, and damaged images that were used, with the reason.

    Names do not depend on the path of the data set.
    """

    unreadable: Sequence[Unreadable]
    damaged: Mapping[str, str]

    def notes(self, total: int) -> Iterator[str]:
        """Yield remarks for every run that uses the result of ``total`` images."""
        if self.unreadable:
            named = listed([f"'{item.name}'" for item in self.unreadable], NAMED)
            yield f"{len(self.unreadable)} of {counted(total, 'image')} could not be read, not evaluated: {named}"
        if self.damaged:
            named = listed([f"'{name}'" for name in self.damaged], NAMED)
            yield f"{len(self.damaged)} of {counted(total, 'image')} damaged, evaluated all the same: {named}"


def faults_of(tolerance: Tolerance, samples: Sequence[Sample]) -> Faults:
    """Return the images that could not be read or were damaged."""
    names = {str(sample.image): name for sample, name in zip(samples, sample_names(samples), strict=True)}
    return Faults(
        [replace(item, name=names[item.name]) for item in tolerance.unreadable],
        {names[path]: reason for path, reason in tolerance.damaged.items()},
    )


def protocol_of(config: EvaluateConfig, session: Session, wanted: Filter) -> dict[str, object]:
    """Return how the figures were measured."""
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
    outcome: EvaluationReport, truth: Mapping[str, object], found: Sequence[Mapping[str, object]], folder: Path
) -> Metrics:
    """Write the three files into ``folder``.

    They have digests and no paths: the result is reused for the same model and images under other paths.
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


def nothing_found(scores: Scores) -> tuple[str, ...]:
    """Return a remark if no box is correct, since curves and figures are then all zero."""
    if scores.stats["map50"] > 0:
        return ()
    return ("no prediction matches an object at IoU 0.5: check the weights, imgsz and the class names",)


def _values(scores: Scores, evaluation: Evaluation) -> dict[str, float]:
    """Return the figures for summary.json."""
    return {
        **scores.stats,
        "precision": scores.all.precision,
        "recall": scores.all.recall,
        "confidence": scores.confidence,
        "pictures": scores.all.images,
        "instances": scores.all.instances,
        **({"ignore_regions": scores.regions, "ignored_boxes": scores.ignored} if scores.regions else {}),
        **{f"{phase}_ms": value for phase, value in evaluation.milliseconds().items()},
        "seconds": evaluation.wall,
    }


def _write(target: Path, content: object, indent: int | None = None) -> Path:
    target.write_text(json_text(content, indent) + "\n", encoding="utf-8")
    return target
