"""What is wrong with the pictures or the cache that the options name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.calibration_pictures import source_problems
from core.errors import HooklineError

if TYPE_CHECKING:
    from stages.calibrate import CalibrateConfig


def problems(config: CalibrateConfig) -> Iterator[HooklineError]:
    """What can be told before anything runs."""
    if not config.cache:
        yield from source_problems(config, "calibrate")
        return
    if config.source:
        yield HooklineError("both calibrate.source and calibrate.cache are given", "give one of them")
    if not Path(config.cache).is_file():
        yield HooklineError(f"no calibration cache '{config.cache}'", "give the text file that TensorRT wrote")
