"""Measure what the decode step in an engine costs: its score threshold and its one class per box, each alone and both.

An engine returns decoded boxes only, without the boxes that it dropped and without further classes of a box. The model
before the graft, in the same precision, still has them: it runs on the same images, and each inference is decoded in
four ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.artifacts import QuantizedModel
from core.data.dataset import Sample
from core.detections import Filter, Letterbox
from core.evaluation.coco import ground_truth, results
from core.evaluation.loop import EvaluatedImage, evaluate_session
from core.evaluation.scores import Scores, score
from core.inference.open_model import open_model
from core.kinds.context import RunContext
from core.kinds.head import Head
from core.kinds.lookup import HOST
from core.kinds.processor import Processor, ProcessorBackend
from core.kinds.session import Session
from core.labels import Labels
from core.media.tolerance import Tolerance
from core.model_facts import DECODED
from core.reporting import ignore
from core.selection.choosing import best_part
from core.selection.openers import opener
from stages.evaluate.config import DecodeCost, EvaluateConfig

LIMIT = 1000
"""Largest number of images for which ``evaluate.decode_cost=auto`` measures."""


@dataclass(frozen=True)
class Decode:
    """A way to decode raw heads.

    Attributes:
        name: Name in metrics.json.
        threshold: Drop the boxes that the threshold of the engine drops.
        one_class: Keep the best class of a box instead of every class.
    """

    name: str
    threshold: bool
    one_class: bool


PARTS = (
    Decode("threshold", threshold=True, one_class=False),
    Decode("one_class", threshold=False, one_class=True),
    Decode("both", threshold=True, one_class=True),
)


@dataclass(frozen=True)
class Loss:
    """The mAP with a decode step, compared with every box and every class.

    Attributes:
        decode: The decode.
        map50, map50_95: With this decode.
        lost50, lost50_95: Difference to every box and every class.
        worst: The class that loses most AP50; empty if no class loses any.
        worst_lost: AP50 that this class loses.
    """

    decode: Decode
    map50: float
    map50_95: float
    lost50: float
    lost50_95: float
    worst: str
    worst_lost: float


@dataclass(frozen=True)
class Cost:
    """What the decode step costs.

    Attributes:
        precision: Precision of the model before the graft.
        runtime: Name of the runtime that opened it.
        images: Number of images.
        threshold: Objectness below which the engine drops a box.
        conf: Minimum score of a box in all figures.
        map50, map50_95: With every box and every class.
        parts: The loss of each decode step, in the order of :data:`PARTS`.
    """

    precision: str
    runtime: str
    images: int
    threshold: float
    conf: float
    map50: float
    map50_95: float
    parts: tuple[Loss, ...]

    def values(self) -> dict[str, float]:
        """Return the losses for summary.json."""
        return {
            f"lost_by_{part.decode.name}_{name}": value
            for part in self.parts
            for name, value in (("map50", part.lost50), ("map50_95", part.lost50_95))
        }


def why_not(config: EvaluateConfig, heads: QuantizedModel | None, images: int) -> str:
    """Return why the cost of the decode step cannot be measured, and what to do; empty if it can.

    The caller handles ``evaluate.decode_cost=never``.
    """
    if heads is None or heads.layout == DECODED:
        return "the plan does not have the model before the graft; weights=<checkpoint> builds the engine in this run"
    if images > LIMIT and config.decode_cost is DecodeCost.auto:
        return f"the split has more than {LIMIT} images; evaluate.decode_cost=always runs each of them a second time"
    return ""


def measure_cost(
    config: EvaluateConfig,
    heads: QuantizedModel,
    engine: Session,
    *,
    samples: Sequence[Sample],
    labels: Sequence[Labels],
    names: Sequence[str],
    wanted: Filter,
    context: RunContext,
) -> Cost:
    """Run ``heads`` on the samples and decode each inference in every way.

    Args:
        config: Batch, shapes and processor of the evaluation.
        heads: The model before the graft.
        engine: The evaluated session, for its threshold and input size.
        samples, labels: Images and labels of the split.
        names: Class names.
        wanted: Filter of the evaluation.
        context: For parts and progress.
    """
    host = replace(context, device="cpu", backend="auto")
    processor, wanted = _processor(config, host), replace(wanted, multi_label=True)
    silent = Tolerance(len(samples), ignore, max_pixels=config.max_pixels)  # the evaluation has warned
    with (
        open_model(heads, host, imgsz=[engine.contract.height, engine.contract.width]) as session,
        context.progress("decode cost", len(samples), "images") as progress,
    ):
        head = context.head(session.facts, session.layout)
        decodes = Decodes(head, processor, wanted, engine.score_threshold)
        evaluation = evaluate_session(
            session,
            samples,
            processor,
            wanted,
            silent,
            head=head,
            batch=config.batch,
            rectangular=config.rectangular,
            upscale=config.upscale,
            advance=progress.advance,
            observe=decodes.observe,
        )
    truth = ground_truth(samples, labels, evaluation.images, names)
    full = score(truth, results(samples, evaluation.images), wanted.classes)
    parts = (
        loss(decode, score(truth, results(samples, seen), wanted.classes), full)
        for decode, seen in decodes.seen.items()
    )
    return Cost(
        precision=heads.precision.value,
        runtime=opener(type(heads), "", host),
        images=len(evaluation.images),
        threshold=engine.score_threshold,
        conf=wanted.conf,
        map50=full.stats["map50"],
        map50_95=full.stats["map50_95"],
        parts=tuple(parts),
    )


class Decodes:
    """Decode each inference in the ways of :data:`PARTS`.

    Args:
        head: Head of the model before the graft.
        processor: Finds boxes in its outputs.
        wanted: Filter with every class of a box.
        threshold: Score threshold of the engine.
    """

    def __init__(self, head: Head, processor: ProcessorBackend, wanted: Filter, threshold: float) -> None:
        self.seen: dict[Decode, list[EvaluatedImage]] = {decode: [] for decode in PARTS}
        self._head, self._processor = head, processor
        self._wanted, self._threshold = wanted, threshold

    def observe(
        self, indices: Sequence[int], outputs: Mapping[str, NDArray[np.number]], letterboxes: Sequence[Letterbox]
    ) -> None:
        """Decode one batch."""
        for decode, seen in self.seen.items():
            found = self._processor.detect(
                outputs,
                self._head,
                letterboxes,
                replace(
                    self._wanted,
                    multi_label=not decode.one_class,
                    score_threshold=self._threshold if decode.threshold else 0.0,
                ),
            )
            rows = zip(indices, letterboxes, found, strict=True)
            seen.extend(EvaluatedImage(index, place.height, place.width, boxes) for index, place, boxes in rows)


def loss(decode: Decode, found: Scores, full: Scores) -> Loss:
    """Compare the scores of one decode with those of every box and every class."""
    pairs = zip(full.classes, found.classes, strict=True)
    worst_lost, worst = max(((whole.map50 - left.map50, whole.name) for whole, left in pairs), default=(0.0, ""))
    return Loss(
        decode=decode,
        map50=found.stats["map50"],
        map50_95=found.stats["map50_95"],
        lost50=full.stats["map50"] - found.stats["map50"],
        lost50_95=full.stats["map50_95"] - found.stats["map50_95"],
        worst=worst if worst_lost > 0 else "",
        worst_lost=max(worst_lost, 0.0),
    )


def _processor(config: EvaluateConfig, host: RunContext) -> ProcessorBackend:
    """Return the processor of the evaluation if it works on the CPU, else the best one that does."""
    named = host.registry.get(Processor, config.processor)
    return host.processor(named.name if named.device == "cpu" else best_part("processors", host, HOST)[0])
