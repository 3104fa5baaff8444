"""Memory that is reused from batch to batch: pinned host memory for uploads, and device memory."""

from __future__ import annotations

import numpy as np

from backends.gpu.device import Bytes, Device, Mark, view


class PinnedBuffer:
    """Pinned host memory for one upload at a time. It grows to the largest size requested."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._memory: Bytes = np.empty(0, np.uint8)
        self._busy: Mark | None = None

    def reserve(self, size: int) -> Bytes:
        """Wait until the last upload has finished, and return ``size`` bytes to fill."""
        if self._busy:
            self._busy.wait()
        if len(self._memory) < size:
            self._memory = self._device.pinned(size)
        return self._memory[:size]

    def upload(self, size: int, address: int, stream: int) -> None:
        """Start the upload of the first ``size`` bytes to a device address."""
        self._device.upload(self._memory[:size], address, stream)
        self._busy = self._device.mark(stream)


class GrowingBuffer:
    """Device memory that grows to the largest size requested."""

    def __init__(self, device: Device, stream: int) -> None:
        self._device, self._stream = device, stream
        self._memory = device.empty((0,), np.uint8, stream)

    def address(self, size: int) -> int:
        """Return the address of ``size`` bytes."""
        if view(self._memory).size < size:
            self._memory = self._device.empty((size,), np.uint8, self._stream)
        return view(self._memory).address

    def clear(self) -> None:
        """Free the memory."""
        self._memory = self._device.empty((0,), np.uint8, self._stream)
