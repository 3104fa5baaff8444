"""Checks that outputs are written only to their folders."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from core.errors import HooklineError
from tests.support.hostile_names import file_name
from tests.support.snapshots import Snapshot, changes, snapshot
from tests.support.write_audit import writes_outside

ResultT = TypeVar("ResultT")
PNG = cv2.imencode(".png", np.zeros((6, 8, 3), np.uint8))[1].tobytes()
"""The image for all names."""
TAKEN = frozenset({"predictions.json", "images.json", "predictions.csv", "incomplete.json", "a.txt", "a.mp4"})
"""Names of folders that predict may refuse, because it writes files with these names."""
INSIDE = "inside"
"""Folders below that of a test into which a run may write: work directory, store and cache."""


@contextmanager
def guarded(root: Path) -> Iterator[None]:
    """Assert that only ``inside`` changes below ``root``, and that Python writes nowhere else on the machine."""
    (root / INSIDE).mkdir(exist_ok=True)
    before = _outside(root)
    with writes_outside(root / INSIDE) as written:
        yield
    found = [*written, *changes(before, _outside(root))]
    assert not found, "\n".join(found)


def _outside(root: Path) -> Snapshot:
    return {path: entry for path, entry in snapshot(root).items() if path.split("/")[0] != INSIDE}


def attempt(work: Callable[[], ResultT]) -> ResultT | None:
    """Return the result of ``work``; None for a HooklineError. Any other exception fails the test."""
    try:
        return work()
    except HooklineError:
        return None


def write_tree(folder: Path, names: Sequence[str], content: bytes = PNG) -> list[Path]:
    """Write files with these relative names; skip invalid ones."""
    paths = []
    for name in names:
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(content)
        except OSError:
            continue
        paths.append(path)
    return paths


def tree_names(chance: random.Random, count: int, suffixes: Sequence[str], *, utf8: bool = False) -> list[str]:
    """Return relative names; some differ only in their suffix, or extend another name by a suffix."""
    names: list[str] = []
    for _ in range(count):
        folders = {file_name(chance, utf8=utf8) for _ in range(chance.choice((0, 0, 0, 1, 2)))} - TAKEN
        name = "/".join([*sorted(folders), file_name(chance, chance.choice(suffixes), utf8=utf8)])
        if names and chance.random() < 0.3:
            other = chance.choice(names)
            name = (other if chance.random() < 0.5 else other[: other.rfind(".")]) + chance.choice(suffixes)
        names.append(name)
    return names
