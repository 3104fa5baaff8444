"""What the processor needs of a device: memory, streams, copies and launches; errors of the machine in one line."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from core.errors import HooklineError, UnavailableError
from core.kinds.session import DeviceArray
from cuda_plugins.launches import Launch

MEMORY = 2
MEMORY_HINT = "end what else runs on it, take a freer one with device=cuda:N, or use smaller batches"
UNUSABLE = frozenset({3, 35, 46, 100, 214, 220, 304, 802, 803, 804, 805, 806, 807, 808, 809, 999})
"""``cudaError_t``: the GPU, its driver or a service of it cannot be used, as 46: another process has it for itself."""


def in_one_line(error: Exception, title: str) -> HooklineError | None:
    """What a ``CUDARuntimeError`` of CuPy says to a user; None for what only a bug can be, as an illegal address.

    Args:
        error: Its attribute ``status`` is the ``cudaError_t``.
        title: Where it happened, e.g. ``cuda:1``.
    """
    status = getattr(error, "status", None)
    if status == MEMORY:
        return HooklineError(f"{title} has no memory left ({error})", MEMORY_HINT)
    if status in UNUSABLE:
        return UnavailableError(
            f"{title} cannot be used ({error})",
            "end what else may hold it, or take another with device=cuda:N; +stage=doctor looks closer",
        )
    return None


Bytes = NDArray[np.uint8]


class Mark(Protocol):
    """A point in the work of a stream."""

    def wait(self) -> None:
        """Return when the stream has come past it."""
        ...


class Device(Protocol):
    """A CUDA device. Streams are ``cudaStream_t`` as numbers; any thread may call."""

    def new_stream(self) -> int:
        """A stream that waits for no other; it lives as long as the device's object."""
        ...

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike, stream: int) -> DeviceArray:
        """Memory that is used on ``stream``, and on others only until they have finished; aligned to 256 bytes.

        Raises:
            HooklineError: There is not enough.
        """
        ...

    def pinned(self, size: int) -> Bytes:
        """Memory of the host that copies do not wait for."""
        ...

    def upload(self, source: Bytes, address: int, stream: int) -> None:
        """Begin to copy contiguous memory of the host to an address of the device."""
        ...

    def download(self, address: int, target: Bytes, stream: int) -> None:
        """Begin to copy from an address of the device to contiguous memory of the host."""
        ...

    def load(self, source: str, kernel: str) -> None:
        """Compile a kernel, so that its first launch need not."""
        ...

    def launch(self, launch: Launch, stream: int) -> None:
        """Begin to run a kernel."""
        ...

    def mark(self, stream: int) -> Mark:
        """Where ``stream`` is now."""
        ...

    def wait(self, stream: int) -> None:
        """Return when all that was begun on ``stream`` is done."""
        ...


@dataclass(frozen=True)
class View:
    """A contiguous array of the device.

    Attributes:
        address: Of its first element.
        shape, dtype: As NumPy has them.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.number]

    @property
    def size(self) -> int:
        """Bytes."""
        return prod(self.shape) * self.dtype.itemsize


def view(array: DeviceArray) -> View:
    """Where a device array lies.

    Raises:
        ValueError: It is not contiguous.
    """
    about = array.__cuda_array_interface__
    shape, dtype = tuple(about["shape"]), np.dtype(about["typestr"])
    strides = about.get("strides")
    if strides is not None and prod(shape) and tuple(strides) != _contiguous(shape, dtype.itemsize):
        raise ValueError(f"a device array of shape {shape} with the strides {strides} is not contiguous")
    return View(about["data"][0], shape, dtype)


def fetch(array: DeviceArray, device: Device, stream: int) -> NDArray[np.number]:
    """A copy in the host's memory; waits for the stream."""
    found = view(array)
    target = np.empty(found.shape, found.dtype)
    if target.size:
        device.download(found.address, target.reshape(-1).view(np.uint8), stream)
        device.wait(stream)
    return target


def _contiguous(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    return tuple(itemsize * prod(shape[axis + 1 :]) for axis in range(len(shape)))
