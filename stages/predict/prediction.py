"""The heavy half of the stage ``predict``."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack

from core.artifacts import AnyModel, Predictions
from core.classes import class_ids
from core.context import Progress, RunContext
from core.detections import Detections, Filter
from core.drawing.boxes import Painter
from core.media.frame import Frame
from core.media.reader import frame_count, read_frames
from core.media.source import Source, SourceKind, list_source
from core.media.tolerance import Tolerance
from core.opening import open_model
from core.parts import Session
from stages.predict import PredictConfig
from stages.predict.annotated import PictureFiles, VideoFiles
from stages.predict.clock import Clock
from stages.predict.naming import Names
from stages.predict.pipeline import run_pipeline
from stages.predict.records import CocoRecord, CsvRecord, LabelRecord, Record
from stages.predict.video_writer import VideoOptions, choose_codec

CONF, IOU = 0.25, 0.45
# Up to this many pictures, each is told in a line of its own.
FEW = 10
PHASES = ("decode", "prepare", "inference", "detect", "draw", "encode")


def predict_source(config: PredictConfig, model: AnyModel, context: RunContext) -> Predictions:
    """Find boxes in every frame of ``config.source`` and write them into ``context.workdir``."""
    source = list_source(config.source)
    total = _total(source, config)
    tolerance = Tolerance(total if source.kind is SourceKind.pictures else None, context.warn)
    clock = Clock()
    with open_model(model, context, imgsz=config.imgsz) as session, ExitStack() as stack:
        wanted = _filter(config, session, context)
        processor = context.processor(config.processor)
        results = Results(config, source, session.facts.names, context, clock=clock, stack=stack)
        progress = stack.enter_context(context.progress("predict", total, "frame"))
        results.start(progress)
        frames = read_frames(source, tolerance, stride=config.vid_stride, limit=config.frames)
        try:
            run_pipeline(frames, session, processor, wanted, results.add, clock=clock, batch=config.batch)
        except KeyboardInterrupt:
            # The only way to end a camera; what was seen so far is complete.
            if not (source.live and results.frames):
                raise
            context.note("stopped by Ctrl-C")
    values = results.values() | {"dropped": tolerance.dropped, "unreadable": len(tolerance.unreadable)}
    context.note(results.sentence(source))
    return Predictions(path=context.workdir / "predictions.json", values=values)


def _total(source: Source, config: PredictConfig) -> int | None:
    count = frame_count(source, stride=config.vid_stride)
    return count if count is None or config.frames is None else min(count, config.frames)


def _filter(config: PredictConfig, session: Session, context: RunContext) -> Filter:
    conf = CONF if config.conf is None else config.conf
    if session.score_threshold > conf:
        context.warn(
            f"the model itself drops boxes with an objectness below {session.score_threshold:g}, so that some with a "
            f"score above conf={conf:g} are missed; to find all, set graft.score_threshold={conf:g}"
        )
    return Filter(
        conf=conf,
        iou=IOU if config.iou is None else config.iou,
        max_det=config.max_det,
        classes=class_ids(config.classes, session.facts.names),
    )


class Results:
    """Takes in frames with their boxes: draws, writes, counts.

    ``stack`` closes what is written; after an exception, unfinished files are removed.
    """

    def __init__(
        self,
        config: PredictConfig,
        source: Source,
        class_names: tuple[str, ...],
        context: RunContext,
        *,
        clock: Clock,
        stack: ExitStack,
    ) -> None:
        stack.callback(self._stop)
        self.frames = 0
        self._classes: Counter[str] = Counter()
        self._class_names, self._context, self._clock = class_names, context, clock
        self._few = source.kind is SourceKind.pictures and len(source.files) <= FEW
        self._begin = self._end = 0.0
        self._progress: Progress | None = None
        self._painter = Painter(class_names, config.line_width, labels=config.labels) if config.draw else None
        names = Names(source)
        self._records = [stack.enter_context(record) for record in self._make_records(config, names)]
        self._annotated = self._make_files(config, source, names)
        stack.enter_context(self._annotated)

    def start(self, progress: Progress) -> None:
        """The clock starts; ``progress`` is told of every frame."""
        self._progress, self._begin = progress, time.perf_counter()

    def add(self, pair: tuple[Frame, Detections]) -> None:
        """Take in the next frame."""
        frame, found = pair
        for record in self._records:
            record.add(frame, found)
        if self._painter:
            with self._clock.phase("draw"):
                picture = self._painter.draw(frame.picture, found)
            with self._clock.phase("encode"):
                self._annotated.write(frame, picture)
        self._count(frame, found)

    def values(self) -> dict[str, float]:
        """Counts and speeds; ``ms_<phase>`` a frame, phases overlap."""
        seconds = self._end - self._begin
        spent = self._clock.seconds
        return {
            "frames": self.frames,
            "boxes": self._classes.total(),
            "seconds": round(seconds, 4),
            "frames_per_second": round(self.frames / seconds, 3),
            "share_outside_inference": round(1 - spent.get("inference", 0.0) / seconds, 4),
            **{f"ms_{phase}": round(spent.get(phase, 0.0) / max(1, self.frames) * 1e3, 4) for phase in PHASES},
        }

    def sentence(self, source: Source) -> str:
        """One line on the whole."""
        values = self.values()
        noun = "pictures" if source.kind is SourceKind.pictures else "frames"
        return (
            f"{self.frames} {noun}: {_boxes(self._classes)}; {values['frames_per_second']:.1f} {noun}/s, "
            f"{values['share_outside_inference']:.0%} of the time outside inference"
        )

    def _count(self, frame: Frame, found: Detections) -> None:
        classes = Counter(self._class_names[number] for number in found.classes.tolist())
        self._classes += classes
        self.frames += 1
        if self._few:
            self._context.note(f"{frame.name}: {_boxes(classes)}")
        if self._progress:
            self._progress.advance(1, f"{self._classes.total()} boxes")

    def _stop(self) -> None:
        self._end = time.perf_counter()

    def _make_records(self, config: PredictConfig, names: Names) -> list[Record]:
        folder = self._context.workdir
        records: list[Record] = [CocoRecord(folder / "predictions.json", names)]
        if config.save_txt:
            records.append(LabelRecord(folder / "labels", names))
        if config.save_csv:
            records.append(CsvRecord(folder / "predictions.csv", self._class_names))
        return records

    def _make_files(self, config: PredictConfig, source: Source, names: Names) -> PictureFiles | VideoFiles:
        folder = self._context.workdir
        if source.kind is SourceKind.pictures:
            return PictureFiles(folder, names)
        codec = choose_codec(config.codec, self._context.warn) if config.draw else config.codec
        return VideoFiles(folder, names, VideoOptions(codec, config.crf, config.preset), config.vid_stride)


def _boxes(classes: Counter[str]) -> str:
    """E.g. ``7 boxes (5 person, 1 bus, 1 tie)``."""
    total = classes.total()
    most = ", ".join(f"{count} {name}" for name, count in classes.most_common(5))
    more = f" and {len(classes) - 5} more classes" if len(classes) > 5 else ""
    return f"{total} {'box' if total == 1 else 'boxes'}" + (f" ({most}{more})" if total else "")
