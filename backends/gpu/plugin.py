"""The processor ``cupy``: on an NVIDIA GPU."""

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


def probe(here: Host | None = None) -> Availability:
    """Look for the package without importing it, and for a GPU as :func:`probe_gpu` does."""
    if importlib.util.find_spec("cupy") is None:
        return Availability(
            usable=False,
            reason="the package CuPy is not installed",
            hint="pip install 'cupy-cuda13x[ctk]' (cupy-cuda12x for CUDA 12) on a machine with an NVIDIA GPU",
        )
    return probe_gpu(here) or Availability(usable=True, reason="CuPy and NVIDIA's driver are installed")


def probe_gpu(here: Host | None = None) -> Availability | None:
    """Why no GPU can be used, as far as files and ``CUDA_VISIBLE_DEVICES`` tell; None where they allow it.

    Nothing of NVIDIA's is loaded into this process, so that a run on the CPU stays free of it.
    """
    from backends.nvidia.driver import driver_problem

    problem = driver_problem(here)
    return Availability(usable=False, reason=problem.found, hint=problem.remedy) if problem else None


def check_device(device: str) -> Iterable[HooklineError]:
    """A GPU that is not there. NVML is asked; nothing is started on any GPU."""
    from backends.nvidia.gpu import choose

    try:
        choose(device)
    except HooklineError as problem:
        yield problem


def load() -> CupyProcessor:
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
        packages=("cupy", "numpy"),
        available=probe,
        device="cuda",
        rank=20,
        check_device=check_device,
    )
