"""The heavy half of the stage ``predict``."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from core.artifacts import AnyModel, Predictions
from core.classes import class_ids
from core.context import RunContext
from core.detections import Filter
from core.errors import HooklineError, reason_of
from core.media.frame import Frame
from core.media.reader import frame_count, read_frames
from core.media.source import Source, SourceKind, list_source
from core.media.tolerance import Tolerance
from core.opening import open_model
from core.parts import Session
from stages.predict import PredictConfig
from stages.predict.clock import Clock
from stages.predict.pipeline import run_pipeline
from stages.predict.records import BOXES
from stages.predict.results import Results
from stages.predict.resuming import Former, State, read_former
from stages.predict.stream_report import write_stream_report

CONF, IOU = 0.25, 0.45


def predict_source(config: PredictConfig, model: AnyModel, context: RunContext) -> Predictions:
    """Find boxes in every frame of ``config.source`` and write them into ``context.workdir``.

    What an interrupted run has finished there is not run again. Should this run fail, what it has finished is kept.
    """
    source = list_source(config.source)
    state = State(context.workdir, source)
    former = read_former(state, context.workdir, source)
    state.write()
    _say_what_is_resumed(former, source, config, context)
    work = _Work(config, source, context, former, state)
    predictions = work.run(model)
    state.remove()
    return predictions


@dataclass
class _Work:
    """One run over the source."""

    config: PredictConfig
    source: Source
    context: RunContext
    former: Former
    state: State

    def __post_init__(self) -> None:
        source, config = self.source, self.config
        total = frame_count(source, stride=config.vid_stride)
        self._total = total if total is None or config.frames is None else min(total, config.frames)
        files = len(source.files) or None
        self._tolerance = Tolerance(files, self.context.warn, config.on_error, "predict.on_error")

    def run(self, model: AnyModel) -> Predictions:
        """Run the model over the frames that are left."""
        clock = Clock()
        with ExitStack() as stack:
            session = stack.enter_context(open_model(model, self.context, imgsz=self.config.imgsz))
            results = Results(
                self.config,
                self.source,
                session.facts.names,
                self.context,
                clock=clock,
                former=self.former,
                finish=self._finish,
            )
            try:
                with results:
                    self._feed(session, results, clock)
            except BaseException:
                self._keep(results)
                raise
        self._tolerance.conclude()
        predictions = self._predictions(results)
        self.context.note(results.sentence())
        if self.source.live:
            self._judge_the_end(predictions)
        return predictions

    def _feed(self, session: Session, results: Results, clock: Clock) -> None:
        config, context = self.config, self.context
        wanted = _filter(config, session, context)
        processor = context.processor(config.processor)
        left = None if config.frames is None else max(0, config.frames - len(self.former.ids))
        frames = read_frames(
            self.source,
            self._tolerance,
            stride=config.vid_stride,
            limit=left,
            reconnect=config.reconnect,
            finished=self.former.finished,
        )
        with context.progress("predict", self._total, "frame") as progress:
            results.start(progress)
            try:
                run_pipeline(frames, session, processor, wanted, results.add, clock=clock, batch=config.batch)
            except KeyboardInterrupt as end:
                # The only way to end a live source; what was found so far is complete.
                if not (self.source.live and results.tally.frames):
                    raise
                self._tolerance.ended = reason_of(end)
                context.note(self._tolerance.ended)

    def _finish(self, last: Frame) -> None:
        """The last frame of a video is written."""
        if self.source.kind is SourceKind.video:
            self.state.finish(last.name.rpartition("#")[0], last.index + 1)

    def _keep(self, results: Results) -> None:
        """Say what is finished, and remember the video whose last frame was just written."""
        last = results.last_frame
        if last is not None and self._tolerance.read_to_end.get(last.name.rpartition("#")[0]) == last.index:
            self._finish(last)
        if results.tally.frames:
            self.context.keep(self._predictions(results))
            self.context.note(f"kept, not complete: {results.sentence()}")

    def _predictions(self, results: Results) -> Predictions:
        tolerance = self._tolerance
        values = results.values() | {
            "unreadable": len(tolerance.unreadable),
            "damaged": len(tolerance.damaged),
            "damaged_frames": tolerance.damaged_frames,
            "dropped": tolerance.dropped,
        }
        if self._total is not None:
            values["total"] = self._total
        if self.source.live:
            values["gaps"] = len(tolerance.gaps)
            write_stream_report(self.context.workdir, self.source, tolerance)
        return Predictions(path=self.context.workdir / BOXES, values=values)

    def _judge_the_end(self, predictions: Predictions) -> None:
        """A live source has no end of its own: only the person or a limit ends it well."""
        ended, config = self._tolerance.ended, self.config
        if self._tolerance.gaps and self._tolerance.gaps[-1].ended is None:
            if config.reconnect:
                self.context.warn(f"the stream '{self.source.text}' ended: {ended}")
                return
            self.context.keep(predictions)
            raise HooklineError(
                f"the stream '{self.source.text}' ended: {ended}",
                "what was found is kept; predict.reconnect=<seconds> tries again",
            )


def _say_what_is_resumed(former: Former, source: Source, config: PredictConfig, context: RunContext) -> None:
    if not config.resume:
        return
    finished = f"{len(former.finished)} of {len(source.files)}"
    if not former.found:
        context.warn(f"resume=true, but '{context.workdir}' holds nothing to resume: starts from the beginning")
    elif source.kind is SourceKind.pictures:
        context.note(f"resumed: {finished} images are finished")
    else:
        context.note(f"resumed: {finished} videos are finished; the next one begins again with its first frame")


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
