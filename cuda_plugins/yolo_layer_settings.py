"""The attributes of one ``YoloLayer_TRT`` node, from and to the fields that TensorRT passes around."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import HooklineError
from cuda_plugins.signature import ANCHORS, MAX_STRIDE, NUM_CLASSES, OPERATOR, THRESHOLD

MAX_LEVELS = 4
MAX_ANCHORS = 8
"""Anchors a level."""

DEFAULT_THRESHOLD = 0.25
TYPES: Mapping[str, type[np.int32 | np.float32]] = {
    MAX_STRIDE: np.int32,
    NUM_CLASSES: np.int32,
    ANCHORS: np.float32,
    THRESHOLD: np.float32,
}
"""The fields, with the types that the ONNX parser gives them."""


@dataclass(frozen=True)
class Settings:
    """What a node says beside its inputs.

    Attributes:
        max_stride: Stride of the last level in pixels.
        num_classes: nc.
        anchors: w, h in pixels of the network input, A pairs a level, small stride first.
        threshold: Cells with an objectness below it are dropped.
    """

    max_stride: int
    num_classes: int
    anchors: tuple[float, ...]
    threshold: float = DEFAULT_THRESHOLD

    def pairs(self, levels: int) -> NDArray[np.float32]:
        """The anchors as float32 [levels, A, 2].

        Raises:
            HooklineError: Levels or anchors that the kernel does not hold.
        """
        if not 1 <= levels <= MAX_LEVELS:
            raise HooklineError(f"{levels} heads", f"{OPERATOR} decodes 1 to {MAX_LEVELS}")
        count = len(self.anchors)
        if not count or count % (2 * levels):
            raise HooklineError(f"{count} numbers in anchors", f"{levels} heads need the same number of pairs each")
        if count > 2 * MAX_ANCHORS * levels:
            raise HooklineError(f"{count // (2 * levels)} anchors per level", f"{OPERATOR} holds {MAX_ANCHORS}")
        return np.asarray(self.anchors, np.float32).reshape(levels, -1, 2)

    def channels(self, levels: int) -> int:
        """Channels of every head: A * (5 + nc)."""
        return int(self.pairs(levels).shape[1]) * (5 + self.num_classes)

    def arrays(self) -> dict[str, NDArray[np.number]]:
        """The fields by name, in the order of :data:`TYPES`."""
        values = (self.max_stride, self.num_classes, self.anchors, self.threshold)
        return {
            name: np.array(value, dtype).ravel() for (name, dtype), value in zip(TYPES.items(), values, strict=True)
        }


def from_arrays(fields: Iterable[tuple[str, ArrayLike]]) -> Settings:
    """Read fields: names and one-dimensional arrays, which are copied. A name that is not ours is passed over.

    Raises:
        HooklineError: A field is missing, empty or impossible.
    """
    found = {name: np.asarray(data).ravel().tolist() for name, data in fields if name in TYPES}
    found.setdefault(THRESHOLD, [DEFAULT_THRESHOLD])
    missing = [name for name in TYPES if not found.get(name)]
    if missing:
        raise HooklineError(f"{OPERATOR} has no {', '.join(missing)}", "give the node these attributes")
    settings = Settings(
        int(found[MAX_STRIDE][0]),
        int(found[NUM_CLASSES][0]),
        tuple(map(float, found[ANCHORS])),
        float(found[THRESHOLD][0]),
    )
    for name, value in ((MAX_STRIDE, settings.max_stride), (NUM_CLASSES, settings.num_classes)):
        if value < 1:
            raise HooklineError(f"{OPERATOR}: {name} is {value}", "it is at least 1")
    return settings
