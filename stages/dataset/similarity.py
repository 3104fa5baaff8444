"""Perceptual hashes of images, and the nearest image of another split. Heavy: imports OpenCV and NumPy.

A hash has 128 bits: 64 of the low frequencies of a discrete cosine transform (pHash), and 64 of the differences between
horizontal neighbours (dHash), both of a gray thumbnail of 32 x 32 pixels. docs/dataset.md states what was measured.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL = (32, 32)
MIN_CONTRAST = 2.0
"""Standard deviation of the gray values of a thumbnail, of 255, below which an image has no hash."""
MAX_DISTANCE = 12
"""Maximum number of different bits, of 128, of two images that are nearly the same."""
MAX_BITS = 128
"""Number of bits of a hash."""
BLOCK = 1 << 16
"""Pairs of images that are compared at once: 512 KB, which a cache of the CPU holds."""
ROWS = 16
"""Images of a split that are compared with ``BLOCK // ROWS`` images of another one at once."""
_BITS = np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2), axis=1).sum(1, dtype=np.uint8)
"""Number of ones of each 16-bit integer."""


def perceptual_hash(image: NDArray[np.uint8]) -> bytes:
    """Return the 16 bytes of the hash of a uint8 BGR image, empty for an image of one color."""
    gray = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), THUMBNAIL, interpolation=cv2.INTER_AREA)
    if float(gray.std()) < MIN_CONTRAST:
        return b""
    low = cv2.dct(gray.astype(np.float32))[:8, :8].ravel()
    frequencies = low > np.median(low[1:])  # without the mean
    frequencies[0] = False
    columns = cv2.resize(gray, (9, 8), interpolation=cv2.INTER_AREA)
    return np.packbits(np.concatenate([frequencies, (columns[:, 1:] > columns[:, :-1]).ravel()])).tobytes()


@dataclass(frozen=True)
class Similar:
    """An image that is nearly the same as one of an earlier split.

    Attributes:
        split, path: The image.
        first_split, first: The most similar image of an earlier split.
        distance: Number of different bits, 0 to :data:`MAX_DISTANCE`.
    """

    split: str
    path: Path
    first_split: str
    first: Path
    distance: int


class Hashes:
    """Hashes of the images of all splits; it takes 16 bytes and a reference to the path per image."""

    def __init__(self) -> None:
        self._hashes: dict[str, array[int]] = {}
        self._paths: dict[str, list[Path]] = {}

    def add(self, split: str, path: Path, content: bytes) -> None:
        """Add an image with its hash; an image without hash is never similar to another one."""
        if content:
            self._hashes.setdefault(split, array("Q")).frombytes(content)
            self._paths.setdefault(split, []).append(path)

    def similar(self) -> list[Similar]:
        """Return the images that are nearly the same as one of an earlier split, in order.

        All pairs of images of different splits are compared.
        """
        found: list[Similar] = []
        splits = {split: np.array(values, np.uint64).reshape(-1, 2) for split, values in self._hashes.items()}
        for place, split in enumerate(splits):
            count = len(splits[split])
            best = np.full(count, MAX_DISTANCE + 1, np.uint8)
            nearest: list[tuple[str, int]] = [("", 0)] * count
            for first_split in list(splits)[:place]:
                distances, rows = _nearest(splits[split], splits[first_split])
                for number in np.flatnonzero(distances < best).tolist():
                    nearest[number] = first_split, int(rows[number])
                best = np.minimum(best, distances)
            for number in np.flatnonzero(best <= MAX_DISTANCE).tolist():
                first_split, row = nearest[number]
                path, first = self._paths[split][number], self._paths[first_split][row]
                found.append(Similar(split, path, first_split, first, int(best[number])))
        return found


def _nearest(hashes: NDArray[np.uint64], others: NDArray[np.uint64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the distance of each hash to the nearest of the others, and its row.

    A distance above :data:`MAX_DISTANCE` may be too large. Memory does not depend on the number of similar images.
    """
    distances = np.full(len(hashes), MAX_BITS, np.uint8)
    rows = np.zeros(len(hashes), np.int64)
    width = BLOCK // ROWS
    for top in range(0, len(hashes), ROWS):
        block = hashes[top : top + ROWS]
        best, best_rows = distances[top : top + ROWS], rows[top : top + ROWS]
        for left in range(0, len(others), width):
            part = others[left : left + width]
            bits = _ones(block[:, None, 0] ^ part[None, :, 0])
            if bits.min() > MAX_DISTANCE:  # most blocks end here
                continue
            bits += _ones(block[:, None, 1] ^ part[None, :, 1])
            columns = bits.argmin(axis=1)
            values = bits[np.arange(len(block)), columns]
            closer = values < best
            best[closer], best_rows[closer] = values[closer], left + columns[closer]
    return distances, rows


def _ones(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the number of ones of each value."""
    if hasattr(np, "bitwise_count"):  # NumPy 2
        return np.asarray(np.bitwise_count(values), np.uint8)
    words = np.ascontiguousarray(values).view(np.uint16).reshape(*values.shape, 4)
    return np.asarray(_BITS[words].sum(axis=-1, dtype=np.uint8), np.uint8)
