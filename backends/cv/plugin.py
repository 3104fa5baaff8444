"""Register the processor ``opencv``, for any machine."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.kinds.part import Availability
from core.kinds.processor import Processor
from core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from backends.cv.processor import OpenCvProcessor


def probe() -> Availability:
    """Check that the package is installed, without importing it."""
    if importlib.util.find_spec("cv2") is None:
        return Availability(
            usable=False, reason="the package opencv-python is not installed", hint="pip install opencv-python"
        )
    return Availability(usable=True, reason="the package opencv-python is installed")


def load() -> OpenCvProcessor:
    """Import and return the processor."""
    from backends.cv.processor import OpenCvProcessor

    return OpenCvProcessor()


@hookimpl
def hookline_processors() -> Iterable[Processor]:
    """Register the processor."""
    yield Processor(
        name="opencv",
        summary="letterbox and NMS on the CPU with OpenCV and NumPy",
        load=load,
        packages=("numpy", "opencv"),
        available=probe,
        device="cpu",
        rank=10,
    )
