"""Pictures into device memory, through two pinned buffers: while one is on its way, the next picture is copied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backends.gpu.device import Bytes, Device, Mark, view
from core.parts import DeviceArray
from cuda_plugins.letterbox_launch import Picture

ALIGNMENT = 256


class Slot:
    """A pinned buffer that waits until its last copy is done before it is used again."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._memory: Bytes = np.empty(0, np.uint8)
        self._busy: Mark | None = None

    def send(self, picture: NDArray[np.uint8], address: int, stream: int) -> None:
        """Begin the upload of a picture; it may change when this returns."""
        if self._busy:
            self._busy.wait()
        if len(self._memory) < picture.size:
            self._memory = self._device.pinned(picture.size)
        memory = self._memory[: picture.size]
        np.copyto(memory.reshape(picture.shape), picture)
        self._device.upload(memory, address, stream)
        self._busy = self._device.mark(stream)


class Uploads:
    """The pictures of one batch at a time, in memory that grows to the largest batch and is kept."""

    def __init__(self, device: Device, stream: int) -> None:
        self._device, self._stream = device, stream
        self._slots = (Slot(device), Slot(device))
        self._memory: DeviceArray = device.empty((0,), np.uint8, stream)

    def send(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Picture]:
        """Begin the upload of a batch, and tell where each picture will be.

        The pictures of the batch before are overwritten: what reads them stands on the same stream, or has finished.
        """
        ends = np.cumsum([0, *(-(-picture.size // ALIGNMENT) * ALIGNMENT for picture in pictures)]).tolist()
        if view(self._memory).size < ends[-1]:
            self._memory = self._device.empty((ends[-1],), np.uint8, self._stream)
        address, found = view(self._memory).address, []
        for number, (picture, offset) in enumerate(zip(pictures, ends, strict=False)):
            height, width = picture.shape[:2]
            self._slots[number % len(self._slots)].send(picture, address + offset, self._stream)
            found.append(Picture(address + offset, height, width, 3 * width))
        return found
