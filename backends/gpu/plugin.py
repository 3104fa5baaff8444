"""Register the processor ``cupy``, for NVIDIA GPUs."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.errors import HooklineError
from core.kinds.part import Availability
from core.kinds.processor import Processor
from core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from backends.gpu.processor import CupyProcessor
    from backends.system.host import Host


def probe(host: Host | None = None) -> Availability:
    """Check that CuPy is installed, without importing it, and that a GPU is usable: see :func:`probe_gpu`."""
    if importlib.util.find_spec("cupy") is None:
        return Availability(
            usable=False,
            reason="the package CuPy is not installed",
            hint="pip install 'cupy-cuda13x[ctk]' (cupy-cuda12x for CUDA 12) on a machine with an NVIDIA GPU",
        )
    return probe_gpu(host) or Availability(usable=True, reason="CuPy and NVIDIA's driver are installed")


def probe_gpu(host: Host | None = None) -> Availability | None:
    """Return why no GPU can be used, from files and ``CUDA_VISIBLE_DEVICES``; None if nothing prevents it.

    Loads no NVIDIA library into this process, so that runs on the CPU do not depend on one.
    """
    from backends.nvidia.driver import driver_problem

    problem = driver_problem(host)
    return Availability(usable=False, reason=problem.found, hint=problem.remedy) if problem else None


def check_device(device: str) -> Iterable[HooklineError]:
    """Yield an error if the GPU does not exist, according to NVML. Starts nothing on a GPU."""
    from backends.nvidia.gpu import choose

    try:
        choose(device)
    except HooklineError as problem:
        yield problem


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
