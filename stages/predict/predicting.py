"""Run the stage ``predict``: resume, open the model, detect, write, report. Heavy."""

from __future__ import annotations

from dataclasses import replace

from core.artifacts import AnyModel, Predictions
from core.data.classes import class_ids
from core.detections import DEFAULT_CONF, DEFAULT_IOU, Filter
from core.errors import HooklineError, counted, reason_of
from core.files.paths import output_below
from core.inference.detector import Detector
from core.inference.open_model import open_model, warning_of_missed_boxes
from core.inference.pipeline import Clock, reading_threads
from core.kinds.context import RunContext
from core.kinds.processor import for_session
from core.kinds.session import Session
from core.media.frame import Frame
from core.media.reader import files_read, frame_count, read_frames
from core.media.source import Source, SourceKind, list_source
from core.media.tolerance import Tolerance
from stages.predict.config import PredictConfig
from stages.predict.pipeline import detect_frames
from stages.predict.records import BOXES
from stages.predict.result_names import ResultNames
from stages.predict.results import Results, write_stream_report
from stages.predict.resume_state import ResumeState
from stages.predict.resuming import FinishedPart, read_finished_part


def predict_source(config: PredictConfig, model: AnyModel, context: RunContext) -> Predictions:
    """Find boxes in every frame of ``config.source`` and write them into ``context.workdir``.

    Frames that an interrupted run finished there are not run again. If this run fails, its finished frames are kept.
    """
    source = list_source(config.source).without(context.run_dir)
    for note in source.notes:
        context.warn(note)
    names, state = ResultNames(source), ResumeState(context.workdir, source)
    previous = read_finished_part(
        state,
        context.workdir,
        source,
        table=config.save_csv,
        classes=model.facts.num_classes,
        missing=lambda name: config.draw and not output_below(context.workdir, names.annotated(name)).is_file(),
    )
    _report_resumption(previous, source, config, context)
    with open_model(model, context, imgsz=config.imgsz) as session:
        work = _PredictionRun(config, source, session, context, previous=previous, state=state, notes=model.notes)
        predictions = work.run()
    state.remove()
    return predictions


class _PredictionRun:
    """A run over the source, with an opened model."""

    def __init__(
        self,
        config: PredictConfig,
        source: Source,
        session: Session,
        context: RunContext,
        *,
        previous: FinishedPart,
        state: ResumeState,
        notes: tuple[str, ...],
    ) -> None:
        self._config, self._source, self._session, self._context = config, source, session, context
        self._previous, self._state = previous, state
        wanted = _filter(config, session, context)
        processor = for_session(context.processor(config.processor), session)
        self._detector = Detector(session, processor, context.head(session.facts, session.layout), wanted)
        total = frame_count(source, stride=config.vid_stride)
        self._total = total if total is None or config.frames is None else min(total, config.frames)
        self._tolerance = Tolerance(
            files_read(source),
            context.warn,
            config.on_error,
            "predict.on_error",
            config.max_pixels,
            config.image_depth,
            notes,
        )
        self._tolerance.damaged |= previous.damaged if source.kind is SourceKind.pictures else {}
        self._tolerance.damaged_frames += len(previous.damaged) if source.kind is SourceKind.video else 0
        self._clock = Clock()
        self._stopped = ""

    def run(self) -> Predictions:
        """Run the model on the remaining frames."""
        self._state.write()
        results = Results(
            self._config,
            self._source,
            self._session.facts.names,
            self._context,
            clock=self._clock,
            previous=self._previous,
            finish=self._finish,
        )
        try:
            with results:
                self._feed(results)
            self._tolerance.conclude()
            self._check_the_end()
        except BaseException:
            self._keep(results)
            raise
        return replace(self._predictions(results), report=results.report())

    def _feed(self, results: Results) -> None:
        config, done = self._config, len(self._previous.ids)
        frames = read_frames(
            self._source,
            self._tolerance,
            stride=config.vid_stride,
            limit=None if config.frames is None else max(0, config.frames - done),
            reconnect=config.reconnect,
            finished=self._previous.finished,
            exact=False,  # corrupt frames are used, and frame threads use every core
            threads=reading_threads(),
        )
        unit = "images" if self._source.kind is SourceKind.pictures else "frames"
        with self._context.progress("predict", self._total and max(0, self._total - done), unit) as progress:
            results.start(progress)
            try:
                detect_frames(frames, self._detector, results.add, clock=self._clock, batch=config.batch)
            except KeyboardInterrupt as end:
                # Ctrl-C is the way to end a live source; the results so far are complete.
                if not (self._source.live and results.counts.frames):
                    raise
                self._stopped = reason_of(end)
                self._context.note(self._stopped)

    def _finish(self, last: Frame, frames: int) -> None:
        """Record a video after its last frame was written."""
        if self._source.kind is SourceKind.video:
            self._state.finish(_file_of(last), frames)

    def _keep(self, results: Results) -> None:
        """Keep and report the finished part of a run that failed."""
        last = results.last_frame
        if last is not None and results.whole and self._tolerance.read_to_end.get(_file_of(last)) == last.index:
            self._finish(last, results.in_file)
        if results.counts.frames:
            self._context.keep(self._predictions(results))
            self._context.note(f"kept, not complete: {'; '.join(results.report())}")

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
        if self._source.live:
            values["gaps"] = len(tolerance.gaps)
            write_stream_report(self._context.workdir, self._source, tolerance, self._stopped or tolerance.ended)
        return Predictions(path=self._context.workdir / BOXES, values=values)

    def _check_the_end(self) -> None:
        """Warn that a live source ended; without reconnection it is an error."""
        if not self._tolerance.ended or self._stopped:
            return
        message = f"the stream '{self._source.text}' ended: {self._tolerance.ended}"
        if not self._config.reconnect:
            raise HooklineError(message, "set predict.reconnect=<seconds> to reconnect")
        self._context.warn(message)


def _file_of(frame: Frame) -> str:
    """Return the name in the source of the video of a frame."""
    return frame.name.rpartition("#")[0]


def _report_resumption(previous: FinishedPart, source: Source, config: PredictConfig, context: RunContext) -> None:
    if not config.resume:
        return
    noun = "image" if source.kind is SourceKind.pictures else "video"
    finished = f"resumed: {len(previous.finished)} of {counted(len(source.files), noun)} finished"
    if not previous.found:
        context.warn(f"resume=true, but '{context.workdir}' has no interrupted run: starting from the beginning")
    elif source.kind is SourceKind.pictures:
        context.note(finished)
    else:
        context.note(f"{finished}; the next one starts again from its first frame")


def _filter(config: PredictConfig, session: Session, context: RunContext) -> Filter:
    conf = DEFAULT_CONF if config.conf is None else config.conf
    if missed := warning_of_missed_boxes(session, conf):
        context.warn(missed)
    return Filter(
        conf=conf,
        iou=DEFAULT_IOU if config.iou is None else config.iou,
        max_det=config.max_det,
        classes=class_ids(config.classes, session.facts.names),
    )
