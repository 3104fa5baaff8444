"""Run images through the float model and pass every activation to the observer; no activation is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.artifacts import CalibrationTable, Dataset, OnnxModel
from core.calibration import Ranges
from core.errors import HooklineError
from core.inference.calibration_images import choose_source, prepared_batches, preprocessing_digest, small_note
from core.inference.detector import PreparedBatch
from core.kinds.calibrator import RangeObserver
from core.kinds.context import RunContext
from core.kinds.runtime import ActivationRecorder
from core.media.reader import files_read, frame_count
from core.media.tolerance import Tolerance
from core.model_facts import InputContract
from core.process.resources import usable_cores
from core.storage.digest import file_digest
from stages.calibrate.table import import_cache, problems, write_table

if TYPE_CHECKING:
    from stages.calibrate.config import CalibrateConfig

Floats = NDArray[np.float32]


def calibrate_model(
    config: CalibrateConfig, model: OnnxModel, dataset: Dataset | None, context: RunContext
) -> CalibrationTable:
    """Find the range of every activation of ``model``, from images or from a cache of TensorRT.

    Raises:
        HooklineError: The source or the cache is missing or unusable.
    """
    for problem in problems(config):
        raise problem
    if config.cache:
        return import_cache(config, model, context)
    return observe_images(config, model, dataset, context)


def observe_images(
    config: CalibrateConfig, model: OnnxModel, dataset: Dataset | None, context: RunContext
) -> CalibrationTable:
    """Calibrate on the source that the config names.

    Raises:
        HooklineError: No image can be read, or too many cannot.
    """
    source, notes = choose_source(config, dataset, context)
    total = min(frame_count(source) or 0, config.pictures)
    files, option = files_read(source, config.pictures), "calibrate.on_error"
    tolerance = Tolerance(files, context.warn, config.on_error, option, config.max_pixels)
    observer = context.calibrator(config.calibrator)
    size = config.batch if "batch" in model.contract.dynamic else model.contract.batch
    contract = replace(model.contract, batch=size)
    with (
        context.recording_runtime(config.runtime).record_activations(model) as recorder,
        prepared_batches(config, contract, source, tolerance, context) as batches,
        context.progress("calibrate", total, "images") as progress,
    ):
        done = 0
        for count in observe(recorder, batches, observer, model.contract):
            done += count
            progress.advance(count)
    if not done:
        raise HooklineError(f"no image of '{source.text}' could be read", "give images that open in a viewer")
    ranges = Ranges(
        method=config.calibrator,
        pictures=done,
        model=file_digest(model.path),
        data=source.digest(context.cache_dir),
        preprocessing=preprocessing_digest(model.contract, config.processor),
        tensors=observer.ranges(),
    )
    return write_table(ranges, context.workdir, (*notes, *small_note(done), *skipped_note(tolerance)))


def observe(
    recorder: ActivationRecorder,
    batches: Iterable[PreparedBatch],
    observer: RangeObserver,
    contract: InputContract,
) -> Iterator[int]:
    """Run every batch, observe its activations, and yield the number of its images.

    One thread per core observes tensors, the largest ones first.
    """
    workers = usable_cores() or 1
    with ThreadPoolExecutor(workers, thread_name_prefix="observe") as pool:
        for batch in batches:
            count = len(batch.frames)
            tensors = ((name, values[:count]) for name, values in recorder.run(padded(batch.images, contract)))
            waiting = deque(sorted(tensors, key=lambda item: item[1].size))
            for work in [pool.submit(_drain, waiting, observer) for _ in range(workers)]:
                work.result()
            yield count


def _drain(waiting: deque[tuple[str, Floats]], observer: RangeObserver) -> None:
    while waiting:
        try:
            name, values = waiting.pop()
        except IndexError:  # another thread took the last one
            return
        observer.observe(name, values)


def padded(images: Floats, contract: InputContract) -> Floats:
    """Return the batch, filled up with zeros to the batch size of the model unless that is dynamic."""
    missing = contract.batch - len(images)
    if "batch" in contract.dynamic or missing <= 0:
        return images
    return np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.float32)])


def skipped_note(tolerance: Tolerance) -> tuple[str, ...]:
    """Return notes on files that could not be read, and on damaged images and frames."""
    unreadable = len(tolerance.unreadable)
    notes = [f"{unreadable} of {tolerance.total} calibration files could not be read"] if unreadable else []
    if images := len(tolerance.damaged) if not tolerance.damaged_frames else 0:
        notes.append(f"{images} of {tolerance.total} calibration files are damaged and were used")
    if tolerance.damaged_frames:
        notes.append(f"damaged frames of the video are left out ({tolerance.damaged_frames} found)")
    return tuple(notes)
