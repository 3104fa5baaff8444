"""Run both models on the same images in turn; measure latency and agreement."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from core.artifacts import AnyModel, Comparison, Engine
from core.data.classes import class_ids
from core.detections import DEFAULT_CONF, DEFAULT_IOU, Filter
from core.errors import HooklineError, counted, shown, with_article
from core.files.paths import user_path
from core.files.regular_file import is_file
from core.inference.detector import Detector, ImageBatch, PreparedBatch, warm_up
from core.inference.open_model import open_model
from core.inference.pipeline import Clock, batches_of, prepared
from core.kinds.context import RunContext
from core.kinds.session import Session
from core.media.matching import nearest_names
from core.media.reader import files_read, frame_count, sample_frames
from core.media.source import Source, list_source
from core.media.tolerance import Tolerance
from core.storage.serial import json_text
from core.storage.sidecar import read_model
from core.tables import describe
from stages.compare.agreement import Agreement, summary_lines
from stages.compare.config import CompareConfig


def read_reference(reference: str | None) -> AnyModel:
    """Read the model that ``compare.reference=`` names, from its file and the sidecar next to it.

    Raises:
        HooklineError: No reference is given, the file or its sidecar is missing, it is not a model, or one of its files
            was changed.
    """
    if not reference:
        raise HooklineError("no reference is given", "give the model to compare with as compare.reference=<engine>")
    path = user_path(reference)
    if not is_file(path):
        raise HooklineError(f"the reference '{path}' does not exist", nearest_names(path))
    artifact = read_model(path)
    if not isinstance(artifact, AnyModel):
        found = (
            f"is {with_article(type(artifact).__name__)}"
            if artifact
            else "has no sidecar file (.json) that describes it"
        )
        raise HooklineError(f"'{path}' {found}", "give an engine that +stage=build made")
    return artifact


def check_classes(engine: Sequence[str], reference: Sequence[str]) -> None:
    """Refuse a reference with other class names than the engine."""
    if len(engine) != len(reference):
        problem = f"the engine has {counted(len(engine), 'class')}, the reference {len(reference)}"
    elif different := next((pair for pair in zip(engine, reference, strict=True) if pair[0] != pair[1]), None):
        first, second = map(shown, different)
        problem = f"the classes of engine and reference have different names, first {first} and {second}"
    else:
        return
    raise HooklineError(problem, "give a reference with the same classes in the same order")


Outputs = Mapping[str, NDArray[np.number]]

PAUSE = 0.02
"""Seconds of pause before each inference: by then the threads of the other session have stopped spinning."""


@dataclass
class Duel:
    """Two sessions that run in turn, in alternating order: A B, B A, A B, ...

    Attributes:
        sessions: The sessions.
        seconds: Time of every inference of each session.
    """

    sessions: tuple[Session, Session]
    seconds: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    def run(self, images: tuple[NDArray[np.float32], NDArray[np.float32]]) -> tuple[Outputs, Outputs]:
        """Time one inference of each session; return the outputs."""
        outputs: dict[int, Outputs] = {}
        turn = (0, 1) if len(self.seconds[0]) % 2 == 0 else (1, 0)
        for side in turn:
            time.sleep(PAUSE)
            start = time.perf_counter()
            outputs[side] = self.sessions[side].run(images[side])
            self.seconds[side].append(time.perf_counter() - start)
        return outputs[0], outputs[1]

    def values(self) -> dict[str, float]:
        """Return median and 95th percentile in milliseconds of each session, and the ratio of the medians."""
        (median, p95), (reference, reference_p95) = map(_summary, self.seconds)
        return {
            "median_ms": median,
            "p95_ms": p95,
            "reference_median_ms": reference,
            "reference_p95_ms": reference_p95,
            "latency_ratio": median / reference,
            "inferences": len(self.seconds[0]),
        }


def _summary(seconds: Sequence[float]) -> tuple[float, float]:
    return 1000 * statistics.median(seconds), 1000 * float(np.quantile(seconds, 0.95))


@dataclass(frozen=True)
class Bench:
    """The engine and the reference, in this order, and their measurements."""

    detectors: tuple[Detector, Detector]
    duel: Duel
    agreement: Agreement

    def prepare(self, batch: ImageBatch) -> tuple[PreparedBatch, PreparedBatch]:
        """Prepare a batch for each model."""
        first, second = self.detectors
        return first.prepare(batch), second.prepare(replace(batch, contract=second.session.contract))

    def measure(self, batches: tuple[PreparedBatch, PreparedBatch], rounds: int) -> None:
        """Time ``rounds`` inferences of each model on one batch and compare the boxes."""
        for _ in range(rounds):
            outputs = self.duel.run((batches[0].images, batches[1].images))
        here, there = (
            detector.detect(given, batch)
            for detector, given, batch in zip(self.detectors, outputs, batches, strict=True)
        )
        for one, other in zip(here, there, strict=True):
            self.agreement.add(one, other)


def compare_models(config: CompareConfig, engine: Engine, context: RunContext) -> Comparison:
    """Run both models on the images and write comparison.json.

    Raises:
        HooklineError: The reference is not a model of hookline, has other classes, or no image can be read.
    """
    reference = read_reference(config.reference)
    check_classes(engine.facts.names, reference.facts.names)
    wanted = Filter(
        conf=DEFAULT_CONF if config.conf is None else config.conf,
        iou=DEFAULT_IOU if config.iou is None else config.iou,
        max_det=config.max_det,
        classes=class_ids(config.classes, engine.facts.names),
    )
    source = list_source(config.source)
    processor, agreement = context.processor(config.processor), Agreement()
    with open_model(engine, context) as first, open_model(reference, context) as second:
        notes = (*source.notes, *_thresholds(first, second, wanted.conf))
        for note in notes:
            context.warn(note)
        detectors = (
            Detector(first, processor, context.head(first.facts, first.layout), wanted),
            Detector(second, processor, context.head(second.facts, second.layout), wanted),
        )
        for session in (first, second):
            warm_up(session, config.warmup)
        bench = Bench(detectors, Duel((first, second)), agreement)
        pictures = _run(config, source, bench, context, (*engine.notes, *reference.notes))
    values = {**bench.duel.values(), **agreement.values(), "pictures": pictures}
    content = {
        "engine": describe(engine),
        "reference": describe(reference),
        "source": {"digest": source.digest(context.cache_dir)},
        "conf": wanted.conf,
        "iou": wanted.iou,
        "values": values,
        "notes": notes,
    }
    target = context.workdir / "comparison.json"
    target.write_text(json_text(content, 1) + "\n", encoding="utf-8")
    report = tuple(summary_lines(engine, reference, values))
    return Comparison(path=target, values=values, notes=notes, report=report)


def _thresholds(first: Session, second: Session, conf: float) -> tuple[str, ...]:
    """Return a note if the models drop boxes below different thresholds, whatever ``conf`` is."""
    one, two = (max(session.score_threshold, conf) for session in (first, second))
    if one == two:
        return ()
    return (f"the engine drops boxes below {one:g} and the reference below {two:g}: set conf={max(one, two):g}",)


def _run(config: CompareConfig, source: Source, bench: Bench, context: RunContext, notes: tuple[str, ...]) -> int:
    """Run both models, which have these notes, on the images; return how many images there were.

    Nothing is read or prepared during an inference, so that latencies are those of an idle machine.
    """
    total = max(min(frame_count(source) or config.pictures, config.pictures), 1)
    contract = bench.detectors[0].session.contract
    rounds = -(-config.inferences * contract.batch // total)
    files = files_read(source, config.pictures)
    tolerance = Tolerance(files, context.warn, max_pixels=config.max_pixels, depth=config.image_depth, model=notes)
    batches = batches_of(sample_frames(source, config.pictures, context.seed, tolerance), contract.batch, contract)
    images = 0
    with (
        context.progress("compare", total, "images") as progress,
        prepared(batches, bench.prepare, Clock(), depth=0) as ready,
    ):
        for pair in ready:
            bench.measure(pair, rounds)
            images += len(pair[0].frames)
            progress.advance(len(pair[0].frames))
    tolerance.conclude()
    if not images:
        raise HooklineError(f"'{config.source}' has no image that can be read", "give images or a video")
    return images
