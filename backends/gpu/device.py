"""The device interface of processors: memory, streams, copies and launches; and CUDA errors as messages."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from core.errors import HooklineError, UnavailableError
from core.kinds.session import DeviceArray
from cuda_plugins.launches import Launch

OUT_OF_MEMORY = 2
MEMORY_HINT = "close other programs on it, choose another with device=cuda:N, or use smaller batches"
UNUSABLE = frozenset({3, 35, 46, 100, 214, 220, 304, 802, 803, 804, 805, 806, 807, 808, 809, 999})
"""``cudaError_t`` of an unusable GPU, driver or service; for example 46: another process uses the GPU exclusively."""


def user_error(error: Exception, title: str) -> HooklineError | None:
    """Convert a ``CUDARuntimeError`` to a message for users; None if only a bug can cause it, as an illegal address.

    Args:
        error: Its attribute ``status`` is the ``cudaError_t``.
        title: The device, for example ``cuda:1``.
    """
    status = getattr(error, "status", None)
    if status == OUT_OF_MEMORY:
        return HooklineError(f"{title} is out of memory ({error})", MEMORY_HINT)
    if status in UNUSABLE:
        return UnavailableError(
            f"{title} cannot be used ({error})",
            "close other programs that use it, or choose another with device=cuda:N; run +stage=doctor for details",
        )
    return None


Bytes = NDArray[np.uint8]


class Mark(Protocol):
    """A point in the work of a stream."""

    def wait(self) -> None:
        """Wait until the stream has passed this point."""
        ...


class Device(Protocol):
    """A CUDA device. Streams are ``cudaStream_t`` as integers; the methods are thread-safe."""

    def new_stream(self) -> int:
        """Return a stream that does not synchronise with others; it lives as long as this object."""
        ...

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike, stream: int) -> DeviceArray:
        """Return memory for work on ``stream``, aligned to 256 bytes.

        Other streams may use it only if they finish before it is freed.

        Raises:
            HooklineError: There is not enough memory.
        """
        ...

    def pinned(self, size: int) -> Bytes:
        """Return host memory for asynchronous copies."""
        ...

    def upload(self, source: Bytes, address: int, stream: int) -> None:
        """Start copying contiguous host memory to a device address."""
        ...

    def download(self, address: int, target: Bytes, stream: int) -> None:
        """Start copying from a device address to contiguous host memory."""
        ...

    def load(self, source: str, kernel: str) -> None:
        """Compile a kernel before its first launch."""
        ...

    def launch(self, launch: Launch, stream: int) -> None:
        """Launch a kernel."""
        ...

    def mark(self, stream: int) -> Mark:
        """Return the current end of the work on ``stream``."""
        ...

    def wait(self, stream: int) -> None:
        """Wait for all work on ``stream``."""
        ...


@dataclass(frozen=True)
class View:
    """A contiguous device array.

    Attributes:
        address: Address of the first element.
        shape, dtype: Shape and element type.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.number]

    @property
    def size(self) -> int:
        """Size in bytes."""
        return prod(self.shape) * self.dtype.itemsize


def view(array: DeviceArray) -> View:
    """Return the address, shape and type of a device array.

    Raises:
        ValueError: The array is not contiguous.
    """
    interface = array.__cuda_array_interface__
    shape, dtype = tuple(interface["shape"]), np.dtype(interface["typestr"])
    strides = interface.get("strides")
    if strides is not None and prod(shape) and tuple(strides) != _contiguous(shape, dtype.itemsize):
        raise ValueError(f"a device array of shape {shape} with strides {strides} is not contiguous")
    return View(interface["data"][0], shape, dtype)


def fetch(array: DeviceArray, device: Device, stream: int) -> NDArray[np.number]:
    """Copy a device array to host memory; wait for the stream."""
    found = view(array)
    target = np.empty(found.shape, found.dtype)
    if target.size:
        device.download(found.address, target.reshape(-1).view(np.uint8), stream)
        device.wait(stream)
    return target


def _contiguous(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    return tuple(itemsize * prod(shape[axis + 1 :]) for axis in range(len(shape)))
