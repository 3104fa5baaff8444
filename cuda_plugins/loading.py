"""Kernels through CuPy, the heavy half of the package: compiled by NVRTC when first launched, kept per device."""

from __future__ import annotations

import functools
import importlib
from contextlib import AbstractContextManager
from types import ModuleType
from typing import TYPE_CHECKING

from core.errors import UnavailableError
from cuda_plugins import nvrtc as sources
from cuda_plugins.launches import Launch

if TYPE_CHECKING:
    from cupy import RawKernel, RawModule

INSTALL = "pip install 'cupy-cuda13x[ctk]' ('cupy-cuda12x[ctk]' for CUDA 12)"


def launch(wanted: Launch, stream: int) -> None:
    """Launch a kernel on a stream of the current device. Returns at once; allocates and waits for nothing.

    The first launch on a device compiles the source; :func:`load` does that before a CUDA graph is captured.

    Args:
        wanted: What to launch. All its addresses belong to the current device.
        stream: The ``cudaStream_t`` as a number, as TensorRT gives it and as ``cupy.cuda.Stream.ptr``.

    Raises:
        UnavailableError: CuPy is not installed, finds no GPU, or cannot compile.
    """
    function = load(wanted.source, wanted.kernel)
    with on(stream):
        function(wanted.grid, wanted.block, (wanted.argument,))


def on(stream: int) -> AbstractContextManager[object]:
    """CuPy's current stream while the block runs: a ``cudaStream_t`` of the current device that is kept alive."""
    cuda = import_cupy().cuda
    if hasattr(cuda.Stream, "from_external"):
        foreign: AbstractContextManager[object] = cuda.Stream.from_external(_Foreign(stream))
        return foreign
    external: AbstractContextManager[object] = cuda.ExternalStream(stream)  # before CuPy 14
    return external


class _Foreign:
    """A stream by CUDA's stream protocol."""

    def __init__(self, pointer: int) -> None:
        self._pointer = pointer

    def __cuda_stream__(self) -> tuple[int, int]:
        """Version of the protocol, and the ``cudaStream_t``."""
        return 0, self._pointer


def load(source: str, kernel: str) -> RawKernel:
    """The ``cupy.RawKernel`` of a function, compiled and on the current device.

    Raises:
        UnavailableError: CuPy is not installed, finds no GPU, or cannot compile.
    """
    return _function(source, kernel, import_cupy().cuda.runtime.getDevice())


@functools.cache
def _function(source: str, kernel: str, device: int) -> RawKernel:
    function = _module(source, device).get_function(kernel)
    function.num_regs  # noqa: B018  # asking loads the code even where CUDA loads lazily, which a capture would forbid
    return function


@functools.cache
def _module(source: str, device: int) -> RawModule:
    del device  # a module belongs to the device that was current when it was loaded
    cupy = import_cupy()
    module = cupy.RawModule(code=sources.source(source), options=sources.OPTIONS)
    try:
        module.compile()
    except (RuntimeError, OSError) as error:  # an error in the source is neither, and a bug
        why = " ".join(str(error).split())
        raise UnavailableError(
            f"CuPy cannot compile the kernels of {source}.cu: {type(error).__name__}: {why}",
            f"{INSTALL} brings NVRTC, the compiler; +stage=doctor processor=cupy looks closer",
        ) from error
    return module


@functools.cache
def import_cupy() -> ModuleType:
    """The package ``cupy``, with a GPU to run on.

    Raises:
        UnavailableError: It is missing, broken, or finds no GPU.
    """
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise UnavailableError(
            f"the CUDA kernels need the package CuPy, which cannot be imported ({error})",
            f"{INSTALL}, whichever fits the driver",
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise UnavailableError(f"CuPy finds no usable GPU ({error})", "+stage=doctor says why") from error
    if not count:
        raise UnavailableError("CuPy finds no GPU", "is CUDA_VISIBLE_DEVICES empty?")
    return cupy
