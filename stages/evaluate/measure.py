"""The work of the stage: check that model and data belong together, open, run, score."""

from __future__ import annotations

from collections.abc import Sequence

from core.artifacts import AnyModel, Dataset, Metrics, QuantizedModel
from core.data.classes import check_class_names, class_ids
from core.data.dataset import load_split
from core.detections import Filter
from core.errors import HooklineError
from core.evaluation import CONF, IOU
from core.evaluation.coco import ground_truth, results
from core.evaluation.loop import Evaluation, evaluate_session
from core.evaluation.scores import Scores, score
from core.kinds.context import RunContext
from core.kinds.session import Session
from core.labels import SINGLE_CLASS, Labels, as_one_class, check_objects, load_labels, of_classes
from core.media.tolerance import Tolerance
from core.model_facts import DECODED
from core.planning.open_model import open_model
from stages.evaluate.config import DecodeCost, EvaluateConfig, MultiLabel
from stages.evaluate.decode_cost import measure_cost, why_not
from stages.evaluate.report import EvaluationReport, faults_of, protocol_of, write_outcome


def measure(
    config: EvaluateConfig, model: AnyModel, dataset: Dataset, context: RunContext, heads: QuantizedModel | None = None
) -> Metrics:
    """Evaluate ``model`` on one split; write metrics.json, predictions.json, ground_truth.json and pictures.

    Args:
        config: Options of the stage.
        model: What is evaluated.
        dataset: Images and labels.
        context: For parts and messages.
        heads: The model before the graft, where ``model`` was made from it in this plan.

    Raises:
        HooklineError: Model and data do not belong together, the split has no objects, too many images cannot be
            read, or ``evaluate.decode_cost=always`` and there is no model to measure that on.
    """
    classes = class_ids(config.classes, dataset.names)
    samples = load_split(dataset, config.split)
    labels = [load_labels(sample, dataset.names) for sample in samples]
    check_objects(labels, dataset.names, classes, config.split, "measure")
    names = dataset.names
    if config.single_class:
        labels = [as_one_class(of_classes(item, classes)) for item in labels]
        names, classes = SINGLE_CLASS, ()
    remarks: list[str] = []
    if renamed := check_class_names(model.facts.names, names):
        remarks.append(renamed)
    tolerance = Tolerance(len(samples), context.warn, max_pixels=config.max_pixels)
    with open_model(model, context, imgsz=config.imgsz) as session:
        wanted = _filter(config, session.layout, classes)
        remarks += _truncation(session, wanted.conf)
        cost_remark = _cost_remark(config, session, wanted, heads, len(samples))
        for remark in remarks:
            context.warn(remark)
        processor = context.processor(config.processor)
        with context.progress(f"evaluate {config.split}", len(samples), "images") as progress:
            evaluation = evaluate_session(
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
        protocol = protocol_of(config, session, wanted)
    check_objects(_seen(labels, evaluation), names, classes, config.split, "measure")
    cost = None
    if heads is not None and _decodes(config, session, wanted) and not cost_remark:
        try:
            cost = measure_cost(
                config, heads, session, samples=samples, labels=labels, names=names, wanted=wanted, context=context
            )
        except HooklineError as error:  # e.g. a graph for another runtime than the one that opens ONNX files
            if config.decode_cost is DecodeCost.always:
                raise
            cost_remark = error.message
    truth = ground_truth(samples, labels, evaluation.pictures, names)
    found = results(samples, evaluation.pictures)
    scores = score(truth, found, classes)
    if config.plots:
        from core.evaluation.images import draw_evaluation

        seen = evaluation.pictures
        draw_evaluation(
            context.workdir,
            curves=scores.curves,
            samples=samples,
            labels=labels,
            seen=seen,
            names=names,
            only=classes,
            subject=(model.path.name, f"split {config.split}"),
        )
    faults = faults_of(tolerance, samples)
    outcome = EvaluationReport(
        model=model,
        dataset=dataset,
        split=config.split,
        protocol=protocol,
        evaluation=evaluation,
        scores=scores,
        faults=faults,
        notes=(*remarks, *_nothing_found(scores), *faults.notes(len(samples))),
        cost=cost,
        cost_remark=f"What the engine's decode costs was not measured: {cost_remark}" if cost_remark else "",
    )
    return write_outcome(outcome, truth, found, context.workdir)


def _nothing_found(scores: Scores) -> tuple[str, ...]:
    """A remark where the curves and figures say nothing because no box is right."""
    if scores.stats["map50"] > 0:
        return ()
    return ("no prediction matches an object at IoU 0.5: check the weights, imgsz and the class names",)


def _seen(labels: Sequence[Labels], evaluation: Evaluation) -> list[Labels]:
    return [labels[picture.index] for picture in evaluation.pictures]


def _filter(config: EvaluateConfig, layout: str, classes: tuple[int, ...]) -> Filter:
    if config.multi_label is MultiLabel.all and layout == DECODED:
        raise HooklineError(
            "evaluate.multi_label=all needs the scores of all classes, and a grafted model gives the best one only",
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
    """Whether the model decodes by itself in a way that can cost mAP, and it is to be measured."""
    loses = session.score_threshold > wanted.conf or session.facts.num_classes > 1
    return config.decode_cost is not DecodeCost.never and session.layout == DECODED and loses


def _cost_remark(
    config: EvaluateConfig, session: Session, wanted: Filter, heads: QuantizedModel | None, images: int
) -> str:
    """Why the cost of the decode is not measured, though there may be one.

    Raises:
        HooklineError: It was asked for.
    """
    reason = why_not(config, heads, images) if _decodes(config, session, wanted) else ""
    if reason and config.decode_cost is DecodeCost.always:
        raise HooklineError("evaluate.decode_cost=always cannot be measured", reason)
    return reason


def _truncation(session: Session, conf: float) -> list[str]:
    """A model that drops boxes itself ends the curve of precision and recall early."""
    threshold = session.score_threshold
    if threshold <= conf:
        return []
    note = (
        f"the model itself drops boxes below its score threshold {threshold:g}, so the curve ends there and mAP is "
        f"lower than that of the weights; to measure down to {conf:g} set graft.score_threshold={conf:g}"
    )
    return [note]
