"""Checks of the images or the cache that the options name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.calibration_pictures import source_problems
from core.errors import HooklineError
from stages.calibrate.cached import cache_problems

if TYPE_CHECKING:
    from stages.calibrate import CalibrateConfig


def problems(config: CalibrateConfig) -> Iterator[HooklineError]:
    """Yield what is wrong with the options, as far as it is known before the run."""
    if not config.cache:
        yield from source_problems(config, "calibrate")
        return
    if config.source:
        yield HooklineError("both calibrate.source and calibrate.cache are given", "give one of them")
    yield from cache_problems(config)
