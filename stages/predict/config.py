"""Options of the stage ``predict``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from core.media.choices import OnError
from core.options.fields import presentation, shared
from core.options.model_form import ModelForm
from core.options.ranges import BatchSize, Fraction, Positive, Range

PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip
"""Presets of libx264."""
MAX_RECONNECT = 86_400


@dataclass
class PredictConfig:
    """Options of the stage.

    Attributes:
        model: Model to run: ``engine``; ``grafted``: the ONNX file from which the engine is built; ``quantized``: the
            model before the graft, in any precision; ``heads``: the exported float32 ONNX file; ``checkpoint``: the
            weights in PyTorch.
        source: Image, folder, glob, .txt list, video, camera number or stream address; or a list of files.
        conf: Minimum score of a box; null: 0.25.
        iou: IoU threshold of NMS, 0..1; null: 0.45.
        max_det: Maximum number of boxes per image.
        classes: Only these classes, names or numbers; null: all.
        processor: Pre- and post-processing.
        imgsz: Input size of a checkpoint or of a model with dynamic height and width; null: that of the model.
        batch: Frames per inference.
        vid_stride: Process every Nth frame of a video or stream.
        frames: Stop after this number of frames; null: at the end of the source.
        on_error: Unreadable files: ``auto`` skips up to 5 % of them, and at least one; ``skip`` skips any number;
            ``stop`` raises an error at the first one.
        max_pixels: Maximum width x height of an image or a frame; the header is checked before anything is decoded.
        reconnect: Seconds without a frame after which a live source ends; until then it is reopened. 0: do not reopen.
        resume: Continue in the directory of an interrupted run: hydra.run.dir=<directory>. Finished images and videos
            are not run again.
        draw: Write annotated images or video.
        labels: Draw class names and scores at the boxes.
        line_width: Line width of the boxes in pixels; null: by the size of the image.
        save_txt: Also write YOLO label files with scores, in labels/.
        save_csv: Also write predictions.csv.
        codec: Of the annotated video: an FFmpeg encoder; auto: libx264, else mpeg4.
        crf: Quality of libx264, 0 (lossless) to 51.
        preset: Speed of libx264, ultrafast to placebo.
    """

    model: ModelForm = ModelForm.engine
    source: Any = shared("source", place=True)
    conf: Fraction | None = shared("conf")
    iou: Fraction | None = shared("iou")
    max_det: Positive = shared("max_det")
    classes: Any = shared("classes")
    processor: str = shared("processor", kind="processors")
    imgsz: Any = shared("imgsz")
    batch: BatchSize = 1
    vid_stride: Positive = 1
    frames: Positive | None = presentation(None)
    on_error: OnError = presentation(OnError.auto)
    max_pixels: int = shared("max_pixels", presentation=True)
    reconnect: Annotated[float, Range(0, MAX_RECONNECT)] = presentation(15.0)
    resume: bool = shared("resume", presentation=True)
    draw: bool = True
    labels: bool = True
    line_width: Annotated[int, Range(1, 1000)] | None = None
    save_txt: bool = False
    save_csv: bool = False
    codec: str = "auto"
    crf: Annotated[int, Range(0, 51)] = 23
    preset: str = "veryfast"
