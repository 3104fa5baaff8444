"""Validation during training, with the evaluation of the stage ``evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Sample
from core.detections import Filter, Letterbox
from core.evaluation import CONF, IOU, MAX_DET
from core.evaluation.coco import ground_truth, results
from core.evaluation.loop import Evaluation, evaluate_session
from core.evaluation.scores import Scores, score
from core.kinds.context import RunContext
from core.kinds.session import Session
from core.kinds.training import TrainingImage
from core.kinds.training_progress import EpochScores, ValidationLosses
from core.labels import Labels, distinct_regions
from core.media.tolerance import Tolerance
from stages.train.config import TrainConfig

BATCH = 16


@dataclass(frozen=True)
class TrainingData:
    """Class names and the labelled images of both splits."""

    names: tuple[str, ...]
    train: list[TrainingImage]
    validation: list[TrainingImage]


class Validation:
    """Validates sessions on one split.

    Args:
        images: Labelled images of the split.
        names: Class names.
        config: Options of the stage.
        context: For parts, warnings and progress.
    """

    def __init__(
        self, images: Sequence[TrainingImage], names: Sequence[str], config: TrainConfig, context: RunContext
    ) -> None:
        self._samples = [Sample(item.path, None) for item in images]
        self._sizes = [item.size for item in images]
        self._labels = [item.labels for item in images]
        self._names = tuple(names)
        self._processor = context.processor(config.processor)
        self._context = context
        self._max_pixels, self._depth = config.max_pixels, config.image_depth

    def scores(self, session: Session, losses: ValidationLosses | None = None) -> EpochScores:
        """Return P, R, mAP and losses of ``session`` with rectangular batches, no upscaling, and multi-label NMS."""
        means = MeanLosses(losses, self._labels) if losses else None
        _, found = self.measure(session, means)
        ids = {name: index for index, name in enumerate(self._names)}
        return EpochScores(
            found.all.precision,
            found.all.recall,
            found.stats["map50"],
            found.stats["map50_95"],
            {ids[item.name]: item.map50_95 for item in found.classes},
            means.values() if means else {},
        )

    def draw(self, evaluation: Evaluation, found: Scores, folder: Path, variant: str) -> list[Path]:
        """Draw curves, confusion matrix and prediction pages from the result of :meth:`measure`."""
        from core.evaluation.images import draw_evaluation

        return draw_evaluation(
            folder,
            curves=found.curves,
            samples=self._samples,
            labels=self._labels,
            seen=evaluation.images,
            names=self._names,
            depth=self._depth,
            subject=(f"best weights of {variant}", "validation split"),
        )

    def measure(self, session: Session, means: MeanLosses | None = None) -> tuple[Evaluation, Scores]:
        """Run the split through ``session``, and score its predictions."""
        wanted = Filter(conf=CONF, iou=IOU, max_det=MAX_DET, classes=(), multi_label=True)
        tolerance = Tolerance(len(self._samples), self._context.warn, max_pixels=self._max_pixels, depth=self._depth)
        with self._context.progress("  validate", len(self._samples), "images") as progress:
            evaluation = evaluate_session(
                session,
                self._samples,
                self._processor,
                wanted,
                tolerance,
                head=self._context.head(session.facts, session.layout),
                batch=BATCH,
                rectangular=True,
                sizes=self._sizes,
                upscale=False,
                advance=progress.advance,
                observe=means.observe if means else None,
            )
        truth = ground_truth(self._samples, self._labels, evaluation.images, self._names)
        return evaluation, score(truth, results(self._samples, evaluation.images), ())


class MeanLosses:
    """Mean losses over all images, from the losses of each batch.

    Args:
        measure: Computes the losses of one batch.
        labels: Labels of the samples.
    """

    def __init__(self, measure: ValidationLosses, labels: Sequence[Labels]) -> None:
        self._measure, self._labels = measure, labels
        self._sums: dict[str, float] = {}
        self._images = 0

    def observe(
        self, indices: Sequence[int], outputs: Mapping[str, NDArray[np.number]], letterboxes: Sequence[Letterbox]
    ) -> None:
        """Add the losses of a batch; implements :data:`core.evaluation.loop.Observer`."""
        pairs = enumerate(zip(indices, letterboxes, strict=True))
        rows = [pixel_rows(self._labels[index], letterbox, image) for image, (index, letterbox) in pairs]
        objects, regions = (np.concatenate(part) for part in zip(*rows, strict=True))
        for name, value in self._measure(outputs, objects, regions).items():
            self._sums[name] = self._sums.get(name, 0.0) + value * len(indices)
        self._images += len(indices)

    def values(self) -> dict[str, float]:
        """Return the means by name."""
        return {name: value / self._images for name, value in self._sums.items()}


def pixel_rows(labels: Labels, letterbox: Letterbox, image: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return objects [n, 6] and ignore regions [m, 5] of one image, for :data:`hookline.training.ValidationLosses`."""
    scale = np.array([letterbox.width, letterbox.height] * 2, np.float64) * letterbox.ratio
    boxes, regions = (
        rows * scale + [letterbox.left, letterbox.top, 0, 0] for rows in (labels.boxes, distinct_regions(labels))
    )
    objects = np.column_stack([np.full(len(boxes), image), labels.classes, boxes])
    ignored = np.column_stack([np.full(len(regions), image), regions])
    return objects.astype(np.float32), ignored.astype(np.float32)
