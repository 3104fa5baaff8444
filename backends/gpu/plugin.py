"""Register the processor ``cupy``, for NVIDIA GPUs."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING

from backends.nvidia.availability import check_device, probe_gpu
from core.kinds.part import Availability
from core.kinds.processor import Processor
from core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from backends.gpu.processor import CupyProcessor
    from backends.system.host import Host


def probe(host: Host | None = None) -> Availability:
    """Check that CuPy is installed, without importing it, and that a GPU is usable."""
    if importlib.util.find_spec("cupy") is None:
        return Availability(
            usable=False,
            reason="the package CuPy is not installed",
            hint="pip install 'cupy-cuda13x[ctk]' (cupy-cuda12x for CUDA 12) on a machine with an NVIDIA GPU",
        )
    return probe_gpu(host) or Availability(usable=True, reason="CuPy and NVIDIA's driver are installed")


def load() -> CupyProcessor:
    """Import and return the processor."""
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
        packages=("cupy", "numpy"),
        available=probe,
        device="cuda",
        rank=20,
        check_device=check_device,
    )
