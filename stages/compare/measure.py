"""Run both models on the same images in turn; measure latency and agreement."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from core.artifacts import AnyModel, Comparison, Engine
from core.data.classes import class_ids
from core.detections import Filter
from core.errors import HooklineError, counted, with_article
from core.files.paths import user_path
from core.files.regular_file import is_file
from core.kinds.context import RunContext
from core.kinds.head import Head
from core.kinds.processor import ProcessorBackend
from core.kinds.session import Session
from core.media.frame import Frame
from core.media.matching import nearest_names
from core.media.reader import files_read, frame_count, sample_frames
from core.media.source import list_source
from core.media.tolerance import Tolerance
from core.planning.open_model import open_model
from core.storage.serial import json_text
from core.storage.sidecar import read_model
from core.tables import describe
from stages.compare.agreement import Agreement, summary_lines
from stages.compare.config import CONF, IOU, CompareConfig


def read_reference(reference: str | None) -> AnyModel:
    """Read what ``compare.reference=`` names: a file that this program wrote, by the sidecar beside it.

    Raises:
        HooklineError: Nothing is named, there is no such file or no sidecar, it is no
            model, or one of its files was changed.
    """
    if not reference:
        raise HooklineError("no reference is given", "compare.reference=<engine> names the model to compare with")
    path = user_path(reference)
    if not is_file(path):
        raise HooklineError(f"no file '{path}' to compare with", nearest_names(path))
    artifact = read_model(path)
    if not isinstance(artifact, AnyModel):
        found = (
            f"is {with_article(type(artifact).__name__)}"
            if artifact
            else "has no sidecar file (.json) that describes it"
        )
        raise HooklineError(f"'{path}' {found}", "compare.reference= takes an engine that +stage=build made")
    return artifact


def check_classes(engine: Sequence[str], reference: Sequence[str]) -> None:
    """Refuse a reference whose class names are not those of the engine."""
    if tuple(engine) != tuple(reference):
        raise HooklineError(
            f"the engine has {counted(len(engine), 'class')} and the reference {len(reference)}, or other names",
            "compare engines of the same classes",
        )


Outputs = Mapping[str, NDArray[np.number]]

PAUSE = 0.02
"""Seconds before each inference: the threads of the other session first stop waiting for work in a loop."""


@dataclass
class Duel:
    """Two sessions that run in turn; the order changes each time: A B, B A, A B, ...

    Attributes:
        sessions: The two.
        seconds: Time of every inference of each.
    """

    sessions: tuple[Session, Session]
    seconds: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    def warm_up(self, runs: int) -> None:
        """Run each on a grey picture, untimed."""
        for session in self.sessions:
            contract = session.contract
            grey = np.full((contract.batch, 3, contract.height, contract.width), 0.5, np.float32)
            for _ in range(runs):
                session.run(grey)

    def run(self, images: tuple[NDArray[np.float32], NDArray[np.float32]]) -> tuple[Outputs, Outputs]:
        """Time one inference of each; what they give."""
        outputs: dict[int, Outputs] = {}
        turn = (0, 1) if len(self.seconds[0]) % 2 == 0 else (1, 0)
        for side in turn:
            time.sleep(PAUSE)
            start = time.perf_counter()
            outputs[side] = self.sessions[side].run(images[side])
            self.seconds[side].append(time.perf_counter() - start)
        return outputs[0], outputs[1]

    def values(self) -> dict[str, float]:
        """Median and 95th percentile in milliseconds of each, and the ratio of the medians."""
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
    """Two models on one bench, and what is measured of them."""

    duel: Duel
    heads: tuple[Head, Head]
    processor: ProcessorBackend
    wanted: Filter
    agreement: Agreement

    def look_at(self, frames: Sequence[Frame], rounds: int) -> None:
        """Time ``rounds`` inferences of each model on one batch and compare the boxes."""
        pictures = [frame.picture for frame in frames]
        first, second = self.duel.sessions
        images, places = self.processor.prepare(pictures, first.contract)
        other_images, other_places = self.processor.prepare(pictures, second.contract)
        for _ in range(rounds):
            outputs, other_outputs = self.duel.run((images, other_images))
        here = self.processor.detect(outputs, self.heads[0], places, self.wanted)
        there = self.processor.detect(other_outputs, self.heads[1], other_places, self.wanted)
        for one, other in zip(here, there, strict=True):
            self.agreement.add(one, other)


def measure(config: CompareConfig, engine: Engine, context: RunContext) -> Comparison:
    """Run both models over the pictures and write comparison.json.

    Raises:
        HooklineError: The reference is no model of this program, has other classes, or nothing can be read.
    """
    reference = read_reference(config.reference)
    check_classes(engine.facts.names, reference.facts.names)
    wanted = Filter(
        conf=CONF if config.conf is None else config.conf,
        iou=IOU if config.iou is None else config.iou,
        max_det=config.max_det,
        classes=class_ids(config.classes, engine.facts.names),
    )
    processor, agreement = context.processor(config.processor), Agreement()
    with open_model(engine, context) as first, open_model(reference, context) as second:
        notes = _thresholds(first, second, wanted.conf)
        for note in notes:
            context.warn(note)
        heads = (context.head(first.facts, first.layout), context.head(second.facts, second.layout))
        bench = Bench(Duel((first, second)), heads, processor, wanted, agreement)
        bench.duel.warm_up(config.warmup)
        pictures = _run(config, bench, context)
    values = {**bench.duel.values(), **agreement.values(), "pictures": pictures}
    content = {
        "engine": describe(engine),
        "reference": describe(reference),
        "source": {"digest": list_source(config.source).digest(context.cache_dir)},
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
    """Boxes under a model's own threshold are missing from it whatever ``conf`` is."""
    one, two = (max(session.score_threshold, conf) for session in (first, second))
    if one == two:
        return ()
    return (f"the engine drops boxes below {one:g} and the reference below {two:g}: set conf={max(one, two):g}",)


def _run(config: CompareConfig, bench: Bench, context: RunContext) -> int:
    """Both models over the pictures; how many there were.

    Pictures are read between the inferences and not beside them, so that nothing else is busy.
    """
    source = list_source(config.source)
    total = max(min(frame_count(source) or config.pictures, config.pictures), 1)
    size = bench.duel.sessions[0].contract.batch
    rounds = -(-config.inferences * size // total)
    tolerance = Tolerance(files_read(source, config.pictures), context.warn, max_pixels=config.max_pixels)
    pictures = 0
    with context.progress("compare", total, "images") as progress:
        for frames in _batches(sample_frames(source, config.pictures, context.seed, tolerance), size):
            bench.look_at(frames, rounds)
            pictures += len(frames)
            progress.advance(len(frames))
    tolerance.conclude()
    if not pictures:
        raise HooklineError(f"'{config.source}' has no image that can be read", "give images or a video")
    return pictures


def _batches(frames: Iterator[Frame], size: int) -> Iterator[list[Frame]]:
    while batch := list(islice(frames, size)):
        yield batch
