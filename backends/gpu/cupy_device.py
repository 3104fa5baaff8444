"""Access one GPU through CuPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from backends.gpu.device import MEMORY_HINT, OUT_OF_MEMORY, Bytes, user_error
from core.errors import HooklineError
from core.kinds.session import DeviceArray
from cuda_plugins import loading
from cuda_plugins.launches import Launch

if TYPE_CHECKING:
    from cupy.cuda import Stream


class CupyMark:
    """A CUDA event, recorded on the current device."""

    def __init__(self, device: CupyDevice, cupy: ModuleType, stream: int) -> None:
        self._device = device
        self._event = cupy.cuda.Event(block=False, disable_timing=True)
        cupy.cuda.runtime.eventRecord(self._event.ptr, stream)

    def wait(self) -> None:
        """Wait until the stream has passed the event."""
        with self._device.here():
            self._event.synchronize()


class CupyDevice:
    """A :class:`backends.gpu.device.Device` through CuPy.

    CuPy's current device and stream belong to a thread, so each call sets them. The device is not reset afterwards: to
    set the previous device again would open a context on it, which takes memory of a GPU that is not used.

    Args:
        number: CUDA device number in this process.
        title: Name in messages, because ``device=cuda:N`` may have another order than CUDA.

    Raises:
        UnavailableError: CuPy cannot be imported, finds no GPU, or cannot use the GPU.
        HooklineError: The GPU has no memory left for a context.
    """

    def __init__(self, number: int = 0, title: str = "") -> None:
        self.title = title or f"cuda:{number}"
        self._cupy = loading.import_cupy()
        self._runtime = self._cupy.cuda.runtime
        self._number = number
        self._streams: list[Stream] = []
        with self.here():
            self._runtime.free(0)  # opens the context, so that problems are reported now

    def new_stream(self) -> int:
        """Create a non-blocking stream."""
        with self.here():
            self._streams.append(self._cupy.cuda.Stream(non_blocking=True))
        pointer: int = self._streams[-1].ptr
        return pointer

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike, stream: int) -> DeviceArray:
        """Allocate from CuPy's pool, which keeps memory per stream."""
        with self.here(), loading.on(stream):
            try:
                array: DeviceArray = self._cupy.empty(shape, dtype)
            except MemoryError as error:
                raise HooklineError(f"{self.title} is out of memory ({error})", MEMORY_HINT) from error
        return array

    def pinned(self, size: int) -> Bytes:
        """Allocate page-locked host memory."""
        with self.here():
            try:
                memory = self._cupy.cuda.alloc_pinned_memory(size)
            except self._runtime.CUDARuntimeError as error:
                if error.status != OUT_OF_MEMORY:
                    raise
                raise HooklineError(
                    f"the host cannot allocate {size / 2**20:.0f} MiB of page-locked memory ({error})",
                    "use smaller batches or images, or raise the limit (ulimit -l; docker run --ulimit memlock=-1)",
                ) from error
        return np.frombuffer(memory, np.uint8, size)

    def upload(self, source: Bytes, address: int, stream: int) -> None:
        """Copy asynchronously if ``source`` is pinned."""
        self._copy(address, source.ctypes.data, source.nbytes, self._runtime.memcpyHostToDevice, stream)

    def download(self, address: int, target: Bytes, stream: int) -> None:
        """Copy asynchronously if ``target`` is pinned."""
        self._copy(target.ctypes.data, address, target.nbytes, self._runtime.memcpyDeviceToHost, stream)

    def load(self, source: str, kernel: str) -> None:
        """Compile with NVRTC; CuPy caches the result on disk."""
        with self.here():
            loading.load(source, kernel)

    def launch(self, launch: Launch, stream: int) -> None:
        """Launch a compiled kernel."""
        with self.here():
            loading.launch(launch, stream)

    def mark(self, stream: int) -> CupyMark:
        """Record an event after all work on ``stream``."""
        with self.here():
            return CupyMark(self, self._cupy, stream)

    def wait(self, stream: int) -> None:
        """Synchronise with a stream."""
        with self.here():
            self._runtime.streamSynchronize(stream)

    def _copy(self, target: int, source: int, size: int, kind: int, stream: int) -> None:
        with self.here():
            self._runtime.memcpyAsync(target, source, size, kind, stream)

    @contextmanager
    def here(self) -> Iterator[None]:
        """Make this the current device, and convert CUDA errors of the machine to messages for users."""
        try:
            if self._runtime.getDevice() != self._number:
                self._runtime.setDevice(self._number)
            yield
        except self._runtime.CUDARuntimeError as error:
            if failure := user_error(error, self.title):
                raise failure from error
            raise
