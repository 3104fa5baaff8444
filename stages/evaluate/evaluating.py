"""Evaluate a model on a split: check that they belong together, run, score, draw, report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.artifacts import AnyModel, Dataset, Metrics, QuantizedModel
from core.data.classes import check_class_names, class_ids
from core.data.dataset import Sample, load_split
from core.detections import Filter
from core.errors import HooklineError
from core.evaluation import CONF, IOU
from core.evaluation.coco import CocoResult, CocoTruth, ground_truth, results
from core.evaluation.loop import Evaluation, evaluate_session
from core.evaluation.scores import Scores, score
from core.inference.open_model import open_model
from core.kinds.context import RunContext
from core.kinds.session import Session
from core.labels import SINGLE_CLASS, Labels, as_one_class, check_objects, load_labels, of_classes
from core.media.tolerance import Tolerance
from core.model_facts import DECODED
from stages.evaluate.config import DecodeCost, EvaluateConfig, MultiLabel
from stages.evaluate.contradictions import Record
from stages.evaluate.decode_cost import Cost, measure_cost, why_not
from stages.evaluate.report import EvaluationReport, faults_of, protocol_of, write_outcome
from stages.evaluate.suspects import find_suspects
from stages.evaluate.suspects_files import write_suspects


@dataclass(frozen=True)
class LabelledSplit:
    """The images of the split and what is known of them.

    Attributes:
        samples: Images and label files.
        labels: Objects of each image.
        names: Class names.
        classes: Ids of the classes that count; all if empty.
    """

    samples: Sequence[Sample]
    labels: Sequence[Labels]
    names: tuple[str, ...]
    classes: tuple[int, ...]


def evaluate_model(
    config: EvaluateConfig, model: AnyModel, dataset: Dataset, context: RunContext, heads: QuantizedModel | None = None
) -> Metrics:
    """Evaluate ``model`` on one split; write metrics.json, predictions.json, ground_truth.json and charts.

    Args:
        config: Options of the stage.
        model: The model to evaluate.
        dataset: Images and labels.
        context: For parts and messages.
        heads: The model before the graft, where ``model`` was made from it in this plan.

    Raises:
        HooklineError: Model and data do not belong together, the split has no objects, too many images cannot be
            read, or ``evaluate.decode_cost=always`` and there is no model to measure it on.
    """
    split = _read_split(config, dataset)
    work = Measurement(config, split, context)
    renamed = check_class_names(model.facts.names, split.names)
    tolerance = Tolerance(len(split.samples), context.warn, max_pixels=config.max_pixels)
    with open_model(model, context, imgsz=config.imgsz) as session:
        wanted = _filter(config, session.layout, split.classes)
        remarks = [remark for remark in (renamed, _truncation(session, wanted.conf)) if remark]
        cost_remark = _cost_remark(config, session, wanted, heads, len(split.samples))
        for remark in remarks:
            context.warn(remark)
        evaluation = work.evaluate(session, wanted, tolerance)
        protocol = protocol_of(config, session, wanted)
    seen = [split.labels[image.index] for image in evaluation.images]
    check_objects(seen, split.names, split.classes, config.split, "measure")
    cost = None
    if heads is not None and _decodes(config, session, wanted) and not cost_remark:
        cost, cost_remark = work.decode_cost(heads, session, wanted)
    truth = ground_truth(split.samples, split.labels, evaluation.images, split.names)
    found = results(split.samples, evaluation.images)
    scores = score(truth, found, split.classes)
    if config.plots:
        work.draw(model, evaluation, scores)
    if config.suspects:
        work.list_suspects(truth, found, scores)
    faults = faults_of(tolerance, split.samples)
    outcome = EvaluationReport(
        model=model,
        dataset=dataset,
        split=config.split,
        protocol=protocol,
        evaluation=evaluation,
        scores=scores,
        faults=faults,
        notes=(*remarks, *_nothing_found(scores), *faults.notes(len(split.samples))),
        cost=cost,
        cost_remark=f"What the engine's decode costs was not measured: {cost_remark}" if cost_remark else "",
    )
    return write_outcome(outcome, truth, found, context.workdir)


def _read_split(config: EvaluateConfig, dataset: Dataset) -> LabelledSplit:
    """Read the labels of the split; with ``single_class`` they have one class."""
    classes = class_ids(config.classes, dataset.names)
    samples = load_split(dataset, config.split)
    labels = [load_labels(sample, dataset.names) for sample in samples]
    check_objects(labels, dataset.names, classes, config.split, "measure")
    if config.single_class:
        return LabelledSplit(samples, [as_one_class(of_classes(item, classes)) for item in labels], SINGLE_CLASS, ())
    return LabelledSplit(samples, labels, dataset.names, classes)


@dataclass(frozen=True)
class Measurement:
    """The steps of an evaluation that need options, data and context.

    Attributes:
        config: Options of the stage.
        split: The images.
        context: For parts, progress and the directory of the charts.
    """

    config: EvaluateConfig
    split: LabelledSplit
    context: RunContext

    def evaluate(self, session: Session, wanted: Filter, tolerance: Tolerance) -> Evaluation:
        """Run the images through the model."""
        config, context, samples = self.config, self.context, self.split.samples
        processor = context.processor(config.processor)
        with context.progress(f"evaluate {config.split}", len(samples), "images") as progress:
            return evaluate_session(
                session,
                samples,
                processor,
                wanted,
                tolerance,
                head=context.head(session.facts, session.layout),
                batch=config.batch,
                rectangular=config.rectangular,
                upscale=config.upscale,
                advance=progress.advance,
            )

    def decode_cost(self, heads: QuantizedModel, engine: Session, wanted: Filter) -> tuple[Cost | None, str]:
        """Measure what the decode step of the engine costs; return the cost, or None and the reason.

        Raises:
            HooklineError: ``heads`` cannot be opened, and ``evaluate.decode_cost=always``.
        """
        split = self.split
        try:
            cost = measure_cost(
                self.config,
                heads,
                engine,
                samples=split.samples,
                labels=split.labels,
                names=split.names,
                wanted=wanted,
                context=self.context,
            )
        except HooklineError as error:  # e.g. a graph for another runtime than the one that opens ONNX files
            if self.config.decode_cost is DecodeCost.always:
                raise
            return None, error.message
        return cost, ""

    def draw(self, model: AnyModel, evaluation: Evaluation, scores: Scores) -> None:
        """Write curves, the confusion matrix and pages of predictions."""
        from core.evaluation.images import draw_evaluation

        draw_evaluation(
            self.context.workdir,
            curves=scores.curves,
            samples=self.split.samples,
            labels=self.split.labels,
            seen=evaluation.images,
            names=self.split.names,
            only=self.split.classes,
            subject=(model.path.name, f"split {self.config.split}"),
        )

    def list_suspects(self, truth: CocoTruth, found: Sequence[CocoResult], scores: Scores) -> None:
        """Write the list and the page of the images with labels that the model contradicts."""
        names = dict(enumerate(self.split.names))
        recall = {row: item.recall for row, item in zip(scores.curves.numbers, scores.classes, strict=True)}
        record = Record(names, scores.confidence, recall)
        suspects = find_suspects(truth, found, record, self.split.classes, self.config.suspects)
        write_suspects(suspects, self.split.samples, self.context.workdir, self.config.max_pixels)
        self.context.note(f"evaluate: {suspects}")


def _nothing_found(scores: Scores) -> tuple[str, ...]:
    """Return a remark if no box is correct, since curves and figures are then all zero."""
    if scores.stats["map50"] > 0:
        return ()
    return ("no prediction matches an object at IoU 0.5: check the weights, imgsz and the class names",)


def _filter(config: EvaluateConfig, layout: str, classes: tuple[int, ...]) -> Filter:
    if config.multi_label is MultiLabel.all and layout == DECODED:
        raise HooklineError(
            "evaluate.multi_label=all needs the scores of all classes, and a grafted model outputs the best class only",
            "set evaluate.model=quantized (the same precision before the graft) or evaluate.multi_label=best",
        )
    return Filter(
        conf=CONF if config.conf is None else config.conf,
        iou=IOU if config.iou is None else config.iou,
        max_det=config.max_det,
        classes=classes,
        multi_label=config.multi_label is not MultiLabel.best and layout != DECODED,
    )


def _decodes(config: EvaluateConfig, session: Session, wanted: Filter) -> bool:
    """Return whether the decode step inside the model can cost mAP, and the options ask to measure it."""
    loses = session.score_threshold > wanted.conf or session.facts.num_classes > 1
    return config.decode_cost is not DecodeCost.never and session.layout == DECODED and loses


def _cost_remark(
    config: EvaluateConfig, session: Session, wanted: Filter, heads: QuantizedModel | None, images: int
) -> str:
    """Return why the cost of the decode step cannot be measured; empty if it can, or if there is none.

    Raises:
        HooklineError: It cannot be measured, and ``evaluate.decode_cost=always``.
    """
    reason = why_not(config, heads, images) if _decodes(config, session, wanted) else ""
    if reason and config.decode_cost is DecodeCost.always:
        raise HooklineError("evaluate.decode_cost=always cannot be measured", reason)
    return reason


def _truncation(session: Session, conf: float) -> str:
    """Return a remark if the model itself drops boxes, which ends its precision-recall curve early; else empty."""
    threshold = session.score_threshold
    if threshold <= conf:
        return ""
    return (
        f"the model itself drops boxes below its score threshold {threshold:g}, so the curve ends there and mAP is "
        f"lower than that of the weights; to measure down to {conf:g} set graft.score_threshold={conf:g}"
    )
