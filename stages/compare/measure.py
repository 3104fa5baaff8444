"""The work of the stage: both models over the same pictures, in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from core.artifacts import Comparison, Engine
from core.classes import class_ids
from core.context import RunContext
from core.detections import Filter
from core.errors import HooklineError
from core.head import Head
from core.media.frame import Frame
from core.media.reader import files_read, frame_count, sample_frames
from core.media.source import list_source
from core.media.tolerance import Tolerance
from core.opening import open_model
from core.parts import ProcessorBackend, Session
from core.serial import json_text
from core.titles import describe
from stages.compare import CONF, IOU, CompareConfig
from stages.compare.agreement import Agreement
from stages.compare.latency import Duel
from stages.compare.reference import check_classes, read_reference
from stages.compare.table import summary_lines


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
