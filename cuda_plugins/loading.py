"""Kernels through CuPy, the heavy half of the package: compiled by NVRTC when first launched, kept per device."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from core.errors import UnavailableError
from cuda_plugins import sources
from cuda_plugins.launches import Launch


def launch(wanted: Launch, stream: int) -> None:
    """Launch a kernel on a stream of the current device. Returns at once; allocates and waits for nothing.

    The first launch on a device compiles the source; :func:`load` does that before a CUDA graph is captured.

    Args:
        wanted: What to launch. All its addresses belong to the current device.
        stream: The ``cudaStream_t`` as a number, as TensorRT gives it and as ``cupy.cuda.Stream.ptr``.

    Raises:
        UnavailableError: CuPy is not installed, or finds no GPU.
    """
    function = load(wanted.source, wanted.kernel)
    with import_cupy().cuda.ExternalStream(stream):
        function(wanted.grid, wanted.block, (wanted.argument,))


def load(source: str, kernel: str) -> Any:
    """The ``cupy.RawKernel`` of a function, compiled and on the current device.

    Raises:
        UnavailableError: CuPy is not installed, or finds no GPU.
    """
    return _function(source, kernel, import_cupy().cuda.runtime.getDevice())


@functools.cache
def _function(source: str, kernel: str, device: int) -> Any:
    function = _module(source, device).get_function(kernel)
    function.num_regs  # noqa: B018  # asking loads the code even where CUDA loads lazily, which a capture would forbid
    return function


@functools.cache
def _module(source: str, device: int) -> Any:
    del device  # a module belongs to the device that was current when it was loaded
    cupy = import_cupy()
    module = cupy.RawModule(code=sources.source(source), options=sources.OPTIONS)
    module.compile()
    return module


@functools.cache
def import_cupy() -> Any:
    """The package ``cupy``, with a GPU to run on.

    Raises:
        UnavailableError: It is missing, broken, or finds no GPU.
    """
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise UnavailableError(
            f"the CUDA kernels need the package CuPy, which cannot be imported ({error})",
            "pip install cupy-cuda13x or cupy-cuda12x, whichever fits the driver",
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise UnavailableError(f"CuPy finds no usable GPU ({error})", "+stage=doctor says why") from error
    if not count:
        raise UnavailableError("CuPy finds no GPU", "is CUDA_VISIBLE_DEVICES empty?")
    return cupy
