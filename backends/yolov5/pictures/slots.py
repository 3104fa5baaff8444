"""Room for batches that worker processes fill and their parent reads, without copying or sending pixels."""

from __future__ import annotations

import mmap

import numpy as np

from backends.yolov5.pictures.samples import Picture


class Slots:
    """Memory shared with every process forked later.

    Anonymous memory is not bounded by ``/dev/shm``, which containers keep small, and is used again, so that
    its pages are paid for once.

    Args:
        count: Slots.
        size: Bytes each.
    """

    def __init__(self, count: int, size: int) -> None:
        self._memory = [mmap.mmap(-1, size) for _ in range(count)]

    def __len__(self) -> int:
        return len(self._memory)

    def view(self, slot: int, shape: tuple[int, ...]) -> Picture:
        """The first bytes of a slot as a uint8 array of this shape, not initialised."""
        return np.frombuffer(self._memory[slot], np.uint8, int(np.prod(shape))).reshape(shape)
