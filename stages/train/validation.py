"""Validation of a training: the averaged weights through the evaluator that everything goes through."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.context import RunContext
from core.dataset import Sample
from core.detections import Filter
from core.evaluation import CONF, IOU, MAX_DET
from core.evaluation.coco import ground_truth, results
from core.evaluation.loop import Evaluation, evaluate_session
from core.evaluation.scores import Scores, score
from core.media.tolerance import Tolerance
from core.parts import Session
from core.training import EpochScores, TrainingPicture
from stages.train import TrainConfig

BATCH = 16


class Validation:
    """Measures one split again and again.

    Args:
        pictures: The split.
        names: Class names.
        config: For the processor and the classes.
        context: For parts, warnings and progress.
    """

    def __init__(
        self, pictures: Sequence[TrainingPicture], names: Sequence[str], config: TrainConfig, context: RunContext
    ) -> None:
        self._samples = [Sample(item.path, None) for item in pictures]
        self._sizes = [item.size for item in pictures]
        self._labels = [item.labels for item in pictures]
        self._names = tuple(names)
        self._processor = context.processor(config.processor)
        self._context = context
        self._max_pixels = config.max_pixels

    def scores(self, session: Session) -> EpochScores:
        """P, R and mAP of ``session``: rectangular batches, nothing enlarged, all classes of a box."""
        _, found = self._measured(session)
        ids = {name: index for index, name in enumerate(self._names)}
        return EpochScores(
            found.all.precision,
            found.all.recall,
            found.stats["map50"],
            found.stats["map50_95"],
            {ids[item.name]: item.map50_95 for item in found.classes},
        )

    def draw(self, session: Session, folder: Path) -> list[Path]:
        """Curves, confusion matrix, and predictions beside labels, of one more measurement."""
        from core.evaluation.pictures import draw_evaluation

        evaluation, found = self._measured(session)
        return draw_evaluation(
            folder,
            curves=found.curves,
            samples=self._samples,
            labels=self._labels,
            seen=evaluation.pictures,
            names=self._names,
        )

    def _measured(self, session: Session) -> tuple[Evaluation, Scores]:
        wanted = Filter(conf=CONF, iou=IOU, max_det=MAX_DET, classes=(), multi_label=True)
        tolerance = Tolerance(len(self._samples), self._context.warn, max_pixels=self._max_pixels)
        with self._context.progress("  validate", len(self._samples), "pictures") as progress:
            evaluation = evaluate_session(
                session,
                self._samples,
                self._processor,
                wanted,
                tolerance,
                batch=BATCH,
                rectangular=True,
                sizes=self._sizes,
                upscale=False,
                advance=progress.advance,
            )
        truth = ground_truth(self._samples, self._labels, evaluation.pictures, self._names)
        return evaluation, score(truth, results(self._samples, evaluation.pictures), ())
