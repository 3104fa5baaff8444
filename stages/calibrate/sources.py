"""Where the pictures of a calibration come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.assets import asset
from core.dataset import load_split, split_problems
from core.errors import HooklineError
from core.media.source import Source, SourceKind, list_source

if TYPE_CHECKING:
    from core.context import RunContext
    from stages.calibrate import CalibrateConfig

DEFAULT = "street"
ADVICE = "give pictures of your own task: calibrate.source=<folder, glob, .txt list or video> or data=<data.yaml>"


def choose_source(
    config: CalibrateConfig, dataset: Dataset | None, context: RunContext
) -> tuple[Source, tuple[str, ...]]:
    """The source, and notes that must travel with the table."""
    if config.source:
        return list_source(config.source), ()
    if dataset is not None:
        return list_source([str(sample.picture) for sample in load_split(dataset, config.split)]), ()
    note = f"calibrated on the default street video, since no pictures were given; {ADVICE}"
    context.note("calibrate: no pictures were given, taking the default street video")
    return list_source(str(asset(DEFAULT, context.cache_dir, context.reporter))), (note,)


def problems(config: CalibrateConfig) -> Iterator[HooklineError]:
    """What is wrong with the source or the cache that ``config`` names."""
    if config.cache:
        if config.source:
            yield HooklineError("both calibrate.source and calibrate.cache are given", "give one of them")
        if not Path(config.cache).is_file():
            yield HooklineError(f"no calibration cache '{config.cache}'", "give the text file that TensorRT wrote")
        return
    if config.data and not config.source:
        yield from split_problems(config.data, config.split, "calibrate.split")
    if config.source:
        try:
            source = list_source(config.source)
        except HooklineError as problem:
            yield problem
            return
        if source.kind is SourceKind.stream:
            yield HooklineError(
                f"cannot calibrate on the stream '{source.text}'", "record it and give the video file or its pictures"
            )
