"""Compile and launch kernels through CuPy; NVRTC compiles a kernel at its first launch on a device."""

from __future__ import annotations

import functools
import importlib
from contextlib import AbstractContextManager
from types import ModuleType
from typing import TYPE_CHECKING

from core.errors import UnavailableError
from cuda_plugins import nvrtc
from cuda_plugins.launches import Launch

if TYPE_CHECKING:
    from cupy import RawKernel, RawModule

INSTALL = "pip install 'cupy-cuda13x[ctk]' ('cupy-cuda12x[ctk]' for CUDA 12)"


def launch(wanted: Launch, stream: int) -> None:
    """Launch a kernel on a stream of the current device. Returns at once; does not allocate or synchronise.

    The first launch on a device compiles the source. Call :func:`load` before capturing a CUDA graph.

    Args:
        wanted: The launch. All its addresses belong to the current device.
        stream: The ``cudaStream_t`` as an integer, as from TensorRT or ``cupy.cuda.Stream.ptr``.

    Raises:
        UnavailableError: CuPy is not installed, finds no GPU, or cannot compile.
    """
    function = load(wanted.source, wanted.kernel)
    with on(stream):
        function(wanted.grid, wanted.block, (wanted.argument,))


def on(stream: int) -> AbstractContextManager[object]:
    """Make a ``cudaStream_t`` CuPy's current stream in a ``with`` block; the caller keeps the stream alive."""
    cuda = import_cupy().cuda
    if hasattr(cuda.Stream, "from_external"):
        foreign: AbstractContextManager[object] = cuda.Stream.from_external(_Foreign(stream))
        return foreign
    external: AbstractContextManager[object] = cuda.ExternalStream(stream)  # before CuPy 14
    return external


class _Foreign:
    """A stream in CUDA's stream protocol."""

    def __init__(self, pointer: int) -> None:
        self._pointer = pointer

    def __cuda_stream__(self) -> tuple[int, int]:
        """Return the version of the protocol and the ``cudaStream_t``."""
        return 0, self._pointer


def load(source: str, kernel: str) -> RawKernel:
    """Return the compiled ``cupy.RawKernel`` of a function on the current device.

    Raises:
        UnavailableError: CuPy is not installed, finds no GPU, or cannot compile.
    """
    return _function(source, kernel, import_cupy().cuda.runtime.getDevice())


@functools.cache
def _function(source: str, kernel: str, device: int) -> RawKernel:
    function = _module(source, device).get_function(kernel)
    function.num_regs  # noqa: B018  # loads the code even if CUDA loads lazily, which a capture would forbid
    return function


@functools.cache
def _module(source: str, device: int) -> RawModule:
    del device  # the cache key: a module belongs to the device that is current when it is loaded
    cupy = import_cupy()
    module = cupy.RawModule(code=nvrtc.source(source), options=nvrtc.OPTIONS)
    try:
        module.compile()
    except (RuntimeError, OSError) as error:  # a mistake in the source raises another error: that is a bug
        reason = " ".join(str(error).split())
        raise UnavailableError(
            f"CuPy cannot compile the kernels of {source}.cu: {type(error).__name__}: {reason}",
            f"{INSTALL} installs NVRTC, the compiler; run +stage=doctor processor=cupy for details",
        ) from error
    return module


@functools.cache
def import_cupy() -> ModuleType:
    """Import CuPy and check that there is a GPU.

    Raises:
        UnavailableError: CuPy is missing or broken, or finds no GPU.
    """
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise UnavailableError(
            f"the CUDA kernels need the package CuPy, which cannot be imported ({error})",
            f"{INSTALL}: the version that the driver supports",
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise UnavailableError(f"CuPy finds no usable GPU ({error})", "run +stage=doctor for the reason") from error
    if not count:
        raise UnavailableError("CuPy finds no GPU", "check CUDA_VISIBLE_DEVICES")
    return cupy
