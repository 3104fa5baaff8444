"""The images of a calibration: their source, and their batches for the network.

The stage ``calibrate`` feeds them to the float model, and ``build`` feeds the same images to a runtime that calibrates
by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Protocol

from core.artifacts import Dataset
from core.data.dataset import load_split, split_problems
from core.errors import HooklineError, counted
from core.fetch.assets import ASSETS, asset
from core.media.source import Source, SourceKind, image_source, list_source
from core.media.tolerance import Tolerance
from core.model_facts import InputContract
from core.storage.digest import text_digest

if TYPE_CHECKING:
    from core.inference.detector import PreparedBatch
    from core.kinds.context import RunContext

DEFAULT = "street"
ADVICE = "give images of your own task: calibrate.source=<folder, glob, .txt list or video> or data=<data.yaml>"

DEPTH = 2
"""Number of prepared batches that wait: the model with all its activations is much slower than preparing."""
SMALL = 32
"""Number of images below which a note warns; the default of ``calibrate.pictures`` is 200."""


class CalibrationImageOptions(Protocol):
    """Options of a stage that choose the images.

    Attributes:
        source: Images or video; None for the data set.
        data: Path of the data.yaml.
        split: Split of the data set.
        pictures: Maximum number of images.
        processor: Letterbox and normalisation.
    """

    source: object
    data: str | None
    split: str
    pictures: int
    processor: str


def choose_source(
    options: CalibrationImageOptions, dataset: Dataset | None, context: RunContext
) -> tuple[Source, tuple[str, ...]]:
    """Return the source of the images, and notes for the results that are made of it."""
    if options.source:
        return list_source(options.source), ()
    if dataset is not None:
        images = [sample.image for sample in load_split(dataset, options.split)]
        return image_source(images, f"split '{options.split}' of the data set"), ()
    note = f"calibrated on the default street video, because no images were given; {ADVICE}"
    context.note("calibrate: no images were given; using the default street video")
    return list_source(str(asset(DEFAULT, context.cache_dir, context.reporter))), (note,)


def small_note(count: int) -> tuple[str, ...]:
    """Return a note if the number of images, ``count``, is small."""
    if count >= SMALL:
        return ()
    note = (
        f"calibrated on {counted(count, 'image')}: ranges of fewer than {SMALL} images often cut activations of other "
        "images, which costs accuracy in int8; give more images of your own task (200 are used by default)"
    )
    return (note,)


def source_digest(options: CalibrationImageOptions, context: RunContext) -> dict[str, str]:
    """Return what identifies the images in a key: their content, or the split of the data set, which is an input."""
    if options.source:
        return {"source": list_source(options.source).digest(context.cache_dir)}
    split = {"split": options.split}
    return split if options.data else split | {"source": ASSETS[DEFAULT].sha256}


def source_problems(options: CalibrationImageOptions, stage: str) -> Iterator[HooklineError]:
    """Yield the problems of the source and the split; ``stage`` is the name of the stage that has these options."""
    if options.data and not options.source:
        yield from split_problems(options.data, options.split, f"{stage}.split")
    if not options.source:
        return
    try:
        source = list_source(options.source)
    except HooklineError as problem:
        yield problem
        return
    if source.kind is SourceKind.stream:
        yield HooklineError(
            f"cannot calibrate on the stream '{source.text}'", "record it and give the video file or its images"
        )


@contextmanager
def prepared_batches(
    options: CalibrationImageOptions, contract: InputContract, source: Source, tolerance: Tolerance, context: RunContext
) -> Iterator[Iterator[PreparedBatch]]:
    """Read and letterbox the images of a calibration ahead of the block, in batches of the contract.

    Damaged frames of video are left out, damaged images are used: which images are drawn does not depend on damage.
    """
    from core.inference.detector import prepare_batch
    from core.inference.pipeline import Clock, batches_of, prepared, reading_threads
    from core.media.reader import sample_frames

    processor = context.processor(options.processor)
    drawn = sample_frames(source, options.pictures, context.seed, tolerance, threads=reading_threads())
    frames = (frame for frame in drawn if not (frame.damaged and source.kind is SourceKind.video))
    batches = batches_of(frames, contract.batch, contract)
    with prepared(batches, partial(prepare_batch, processor), Clock(), depth=DEPTH) as ready:
        yield ready
    tolerance.conclude()


def preprocessing_digest(contract: InputContract, processor: str) -> str:
    """Return a digest of everything that turns an image into the network's input."""
    return text_digest(json.dumps({"contract": asdict(contract), "processor": processor}, sort_keys=True))
