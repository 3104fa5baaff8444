"""Calibration images for a runtime that quantises the model itself: the same as those of the stage calibrate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.artifacts import CalibrationTable, Dataset
from core.inference.calibration_images import choose_source, prepared_batches, small_note
from core.kinds.building import CalibrationFeed
from core.kinds.context import RunContext
from core.media.reader import files_read, frame_count
from core.media.tolerance import Tolerance
from core.model_facts import InputContract
from core.storage.digest import file_digest, text_digest

if TYPE_CHECKING:
    from stages.build.config import BuildConfig


def feed(
    config: BuildConfig, dataset: Dataset | None, table: CalibrationTable | None, context: RunContext
) -> tuple[CalibrationFeed, tuple[str, ...]]:
    """Return the calibration input of the runtime, and notes for the engine."""
    if table is not None:
        return CalibrationFeed(file_digest(table.path), table.path, None), table.notes
    source, notes = choose_source(config, dataset, context)

    def batches(contract: InputContract) -> Iterator[NDArray[np.float32]]:
        tolerance = Tolerance(files_read(source, config.pictures), context.warn, max_pixels=config.max_pixels)
        with prepared_batches(config, contract, source, tolerance, context) as prepared:
            for batch in prepared:
                yield batch.images

    total = frame_count(source)
    small = small_note(min(total, config.pictures)) if total else ()
    selection = {
        "source": source.digest(context.cache_dir),
        "pictures": config.pictures,
        "seed": context.seed,
        "processor": config.processor,
    }
    return CalibrationFeed(text_digest(json.dumps(selection)), None, batches), (*notes, *small)
