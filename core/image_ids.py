"""COCO's image ids: the numbers that file names are, as in COCO itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def image_ids(pictures: Sequence[Path]) -> list[int]:
    """An id for each picture: its name where all are distinct numbers, else 1..n."""
    numbers = [int(path.stem) for path in pictures if path.stem.isdecimal()]
    if len(set(numbers)) == len(pictures):
        return numbers
    return list(range(1, len(pictures) + 1))
