"""Write the results of a run: draw boxes, write files, count."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from core.detections import Detections
from core.drawing.boxes import Painter
from core.errors import counted
from core.files.paths import write_file
from core.inference.pipeline import PHASES, Clock
from core.kinds.context import RunContext
from core.media.frame import Frame
from core.media.source import Source, SourceKind
from core.media.tolerance import Tolerance
from core.reporting import Progress
from stages.predict.annotated import ImageFiles, VideoFiles
from stages.predict.config import PredictConfig
from stages.predict.records import LABELS, CocoRecord, CsvRecord, ImageRecord, LabelRecord, RecordWriter
from stages.predict.result_names import ResultNames
from stages.predict.resuming import FinishedPart
from stages.predict.video_writer import VideoOptions, choose_codec

REPORT = "stream.json"


def write_stream_report(folder: Path, source: Source, tolerance: Tolerance, ended: str) -> None:
    """Write the gaps of a live source, with times in seconds since its first frame, and how it ``ended``."""
    content = {
        "source": source.text,
        "ended": ended or "predict.frames was reached",
        "dropped": tolerance.dropped,
        "damaged_frames": tolerance.damaged_frames,
        "gaps": [asdict(gap) for gap in tolerance.gaps],
    }
    write_file(folder / REPORT, (json.dumps(content, indent=1) + "\n").encode())


PRINTED_IMAGES = 10
"""Maximum number of images that are reported one by one."""
NAMED_CLASSES = 3
"""Number of classes that a report of boxes names."""
PHASE_NAMES = {"read": "decode"}
"""Phases of the pipeline that have another name in the results."""
WRITING = ("draw", "encode")


@dataclass
class PredictionCounts:
    """Numbers of finished frames and their boxes, those of an interrupted run included."""

    frames: int = 0
    classes: Counter[str] = field(default_factory=Counter)

    @property
    def boxes(self) -> int:
        """Number of boxes of all classes."""
        return self.classes.total()


class Results:
    """The result files of a run, and its counts.

    The files are complete after each frame. Use it in a ``with`` block, which closes them.

    Args:
        config: The stage's options.
        source: The source of the frames.
        class_names: Index = class id.
        context: For the folder and for messages.
        clock: For the phases ``draw`` and ``encode``.
        previous: The finished part of an interrupted run.
        finish: Called when a file is finished, with its last frame and the number of its frames.
    """

    def __init__(
        self,
        config: PredictConfig,
        source: Source,
        class_names: tuple[str, ...],
        context: RunContext,
        *,
        clock: Clock,
        previous: FinishedPart,
        finish: Callable[[Frame, int], None],
    ) -> None:
        self.counts = PredictionCounts()
        self.resumed = len(previous.ids)
        self.in_file = 0
        self._class_names, self._context, self._clock, self._finish = class_names, context, clock, finish
        self._printed = source.kind is SourceKind.pictures and len(source.files) <= PRINTED_IMAGES
        self._noun = "image" if source.kind is SourceKind.pictures else "frame"
        self._begin = self._end = 0.0
        self._progress: Progress | None = None
        self._last: Frame | None = None
        self._painter = Painter(class_names, config.line_width, labels=config.labels) if config.draw else None
        self._stack = ExitStack()
        with self._stack:
            names = ResultNames(source)
            self._annotated = self._make_files(config, source, names)
            self._stack.enter_context(self._annotated)
            self._records = [
                self._stack.enter_context(record) for record in self._make_records(config, names, previous)
            ]
            self._stack = self._stack.pop_all()
        self._count_finished(previous)

    def start(self, progress: Progress) -> None:
        """Start the clock; ``progress`` advances with every frame."""
        self._progress, self._begin = progress, time.perf_counter()

    def add(self, pair: tuple[Frame, Detections]) -> None:
        """Write the results of the next frame."""
        frame, found = pair
        if self._last is not None and self._last.path != frame.path:
            self._annotated.end()
            self._finish(self._last, self.in_file)
            self.in_file = 0
        if self._painter:
            with self._clock.phase("draw"):
                image = self._painter.draw(frame.picture, found)
            with self._clock.phase("encode"):
                self._annotated.write(frame, image)
        for record in self._records:
            record.add(frame, found)
        self._last = frame
        self.in_file += 1
        self._count(frame, found)

    @property
    def whole(self) -> bool:
        """Whether every finished frame is in its annotated file; final when the block is left."""
        return self._annotated.whole

    @property
    def last_frame(self) -> Frame | None:
        """The last finished frame."""
        return self._last

    def values(self) -> dict[str, float]:
        """Return counts and speeds of this run; ``ms_<phase>`` is per frame, phases overlap."""
        seconds = max(self._end - self._begin, 1e-9)
        frames = self.counts.frames - self.resumed
        spent = self._clock.seconds
        return {
            "frames": self.counts.frames,
            "resumed": self.resumed,
            "boxes": self.counts.boxes,
            "seconds": round(seconds, 4),
            "frames_per_second": round(frames / seconds, 3),
            "share_outside_inference": round(1 - spent.get("inference", 0.0) / seconds, 4),
            **{
                f"ms_{PHASE_NAMES.get(phase, phase)}": round(spent.get(phase, 0.0) / max(1, frames) * 1e3, 4)
                for phase in (*PHASES, *WRITING)
            },
        }

    def report(self) -> tuple[str, ...]:
        """Return a line of counts, and a line of speed if this run processed a frame."""
        resumed = f" ({self.resumed} of them before it was resumed)" if self.resumed else ""
        counts = f"{counted(self.counts.frames, self._noun)}{resumed}: {_boxes(self.counts.classes)}"
        if self.counts.frames == self.resumed:
            return (counts,)
        values = self.values()
        rate = f"{values['frames_per_second']:.1f} {self._noun}s/s"
        return counts, f"{rate}, {values['share_outside_inference']:.0%} of the time outside inference"

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._stack.__exit__(*error)  # type: ignore[arg-type]
        finally:
            self._end = time.perf_counter()

    def _count(self, frame: Frame, found: Detections) -> None:
        classes = Counter(self._class_names[number] for number in found.classes.tolist())
        self.counts.classes += classes
        self.counts.frames += 1
        if self._printed:
            self._context.note(f"{frame.name}: {_boxes(classes)}")
        if self._progress:
            self._progress.advance(1, counted(self.counts.boxes, "box"))

    def _count_finished(self, previous: FinishedPart) -> None:
        self.counts.frames = len(previous.ids)
        if previous.ids:
            self.counts.classes.update(self._class_names[number] for number in previous.classes())

    def _make_records(self, config: PredictConfig, names: ResultNames, previous: FinishedPart) -> list[RecordWriter]:
        """Return the records in the order of writing; images.json, which lists finished frames, is the last one.

        When a run is resumed, images.json is the first file to lose unfinished frames.
        """
        folder = self._context.workdir
        images = ImageRecord(folder, names, previous.images())
        records: list[RecordWriter] = []
        if config.save_txt:
            records.append(LabelRecord(folder / LABELS, names))
        if config.save_csv:
            records.append(CsvRecord(folder, self._class_names, previous.rows()))
        return [*records, CocoRecord(folder, names, previous.boxes()), images]

    def _make_files(self, config: PredictConfig, source: Source, names: ResultNames) -> ImageFiles | VideoFiles:
        folder = self._context.workdir
        if source.kind is SourceKind.pictures:
            return ImageFiles(folder, names)
        codec = choose_codec(config.codec, self._context.warn) if config.draw else config.codec
        return VideoFiles(folder, names, VideoOptions(codec, config.crf, config.preset), config.vid_stride)


def _boxes(classes: Counter[str]) -> str:
    """Return e.g. ``7 boxes (5 person, 1 bus, 1 tie)``: the most frequent classes, and the number of others."""
    total = classes.total()
    named = classes.most_common(NAMED_CLASSES)
    most = ", ".join(f"{count} {name}" for name, count in named)
    others = len(classes) - len(named)
    more = f" and {counted(others, 'more class')}" if others else ""
    return counted(total, "box") + (f" ({most}{more})" if total else "")
