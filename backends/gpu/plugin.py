"""The processor ``cupy``: on an NVIDIA GPU."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.hookspecs import hookimpl
from core.parts import Availability, NoOptions, Processor

if TYPE_CHECKING:
    from backends.gpu.processor import CupyProcessor

DRIVER = "libcuda.so.1"


def probe() -> Availability:
    """Look for the package without importing it, and for the driver without starting CUDA."""
    if importlib.util.find_spec("cupy") is None:
        return Availability(
            usable=False,
            reason="the package CuPy is not installed",
            hint="pip install 'cupy-cuda13x[ctk]' (cupy-cuda12x for CUDA 12) on a machine with an NVIDIA GPU",
        )
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return Availability(
            usable=False,
            reason=f"NVIDIA's driver is not there ({DRIVER} cannot be loaded)",
            hint="install the driver, or let the container see the GPU; +stage=doctor looks closer",
        )
    return Availability(usable=True, reason="CuPy and NVIDIA's driver are installed")


def load(_: NoOptions) -> CupyProcessor:
    """Import the heavy half."""
    from backends.gpu.cupy_device import CupyDevice
    from backends.gpu.processor import CupyProcessor

    return CupyProcessor(CupyDevice)


@hookimpl
def hookline_processors() -> Iterable[Processor]:
    """Register the processor."""
    yield Processor(
        name="cupy",
        summary="letterbox and NMS by CUDA kernels, in the memory of the GPU",
        load=load,
        available=probe,
        device="cuda",
        rank=20,
    )
