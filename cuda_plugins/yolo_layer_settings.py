"""The attributes of a ``YoloLayer_TRT`` node, and their conversion from and to TensorRT fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import HooklineError
from cuda_plugins.signature import ANCHORS, MAX_STRIDE, NUM_CLASSES, OPERATOR, THRESHOLD

MAX_LEVELS = 4
MAX_ANCHORS = 8
"""Maximum number of anchors per level."""

DEFAULT_THRESHOLD = 0.25
TYPES: Mapping[str, type[np.int32 | np.float32]] = {
    MAX_STRIDE: np.int32,
    NUM_CLASSES: np.int32,
    ANCHORS: np.float32,
    THRESHOLD: np.float32,
}
"""The fields, with the types that the ONNX parser uses."""


@dataclass(frozen=True)
class Settings:
    """The attributes of a node.

    Attributes:
        max_stride: Stride of the last level in pixels.
        num_classes: nc.
        anchors: w, h in network pixels, A pairs per level, small stride first.
        threshold: Minimum objectness of a cell.
    """

    max_stride: int
    num_classes: int
    anchors: tuple[float, ...]
    threshold: float = DEFAULT_THRESHOLD

    def pairs(self, levels: int) -> NDArray[np.float32]:
        """Return the anchors as float32 [levels, A, 2].

        Raises:
            HooklineError: The kernel does not support this number of levels or anchors.
        """
        if not 1 <= levels <= MAX_LEVELS:
            raise HooklineError(f"{OPERATOR} cannot decode {levels} heads", f"it supports 1 to {MAX_LEVELS}")
        count = len(self.anchors)
        if not count or count % (2 * levels):
            raise HooklineError(
                f"the attribute anchors has {count} values",
                f"give the same number of pairs for each of the {levels} heads",
            )
        if count > 2 * MAX_ANCHORS * levels:
            raise HooklineError(
                f"{OPERATOR} cannot decode {count // (2 * levels)} anchors per level",
                f"it supports up to {MAX_ANCHORS}",
            )
        return np.asarray(self.anchors, np.float32).reshape(levels, -1, 2)

    def channels(self, levels: int) -> int:
        """Return the channels of every head: A * (5 + nc)."""
        return int(self.pairs(levels).shape[1]) * (5 + self.num_classes)

    def arrays(self) -> dict[str, NDArray[np.number]]:
        """Return the fields by name, in the order of :data:`TYPES`."""
        values = (self.max_stride, self.num_classes, self.anchors, self.threshold)
        return {
            name: np.array(value, dtype).ravel() for (name, dtype), value in zip(TYPES.items(), values, strict=True)
        }


def from_arrays(fields: Iterable[tuple[str, ArrayLike]]) -> Settings:
    """Read and copy fields: names and one-dimensional arrays. Unknown names are ignored.

    Raises:
        HooklineError: A field is missing, empty or out of range.
    """
    found = {name: np.asarray(data).ravel().tolist() for name, data in fields if name in TYPES}
    found.setdefault(THRESHOLD, [DEFAULT_THRESHOLD])
    missing = [name for name in TYPES if not found.get(name)]
    if missing:
        raise HooklineError(f"the node {OPERATOR} has no {', '.join(missing)}", "add these attributes to the node")
    settings = Settings(
        int(found[MAX_STRIDE][0]),
        int(found[NUM_CLASSES][0]),
        tuple(map(float, found[ANCHORS])),
        float(found[THRESHOLD][0]),
    )
    for name, value in ((MAX_STRIDE, settings.max_stride), (NUM_CLASSES, settings.num_classes)):
        if value < 1:
            raise HooklineError(f"{name}={value} of the node {OPERATOR} is out of range", "the minimum is 1")
    return settings
