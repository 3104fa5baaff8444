"""The heads of YOLOv5 (docs/contracts.md, Family yolov5): ``heads``, one output per level, and ``classic``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backends.yolov5.config import level_names
from backends.yolov5.facts import CLASSIC, HEADS, anchors_of
from core.detections import Candidates, Filter
from core.errors import HooklineError
from core.kinds.head import DeviceDecode, Shape, batch_axis
from core.model_facts import InputContract, ModelFacts
from cuda_plugins import signature

BOX, OBJECTNESS = 4, 4
"""Number of box values, and index of the objectness; the class scores follow."""

Floats = NDArray[np.float32]


def head(facts: ModelFacts, layout: str) -> LevelHead | ClassicHead:
    """Return the head of a model in a layout; implements :attr:`core.kinds.model.ModelFamily.head`.

    Raises:
        HooklineError: The layout is ``heads`` and the facts have no anchors.
    """
    if layout == CLASSIC:
        return ClassicHead(facts)
    if not anchors_of(facts):
        raise HooklineError(f"the model '{facts.variant}' has no anchors for the layout 'heads'", "export it again")
    return LevelHead(facts)


@dataclass(frozen=True)
class LevelHead:
    """Layout ``heads``: one output per level, ``p3 p4 p5 (p6)``, [B, A*(5+nc), H/s, W/s], after the sigmoid."""

    facts: ModelFacts
    layout: str = HEADS

    @cached_property
    def device_decode(self) -> DeviceDecode:
        """Return the attributes of the kernel ``YoloLayer_TRT``."""
        attributes: dict[str, int | tuple[float, ...]] = {
            signature.MAX_STRIDE: self.facts.max_stride,
            signature.NUM_CLASSES: self.facts.num_classes,
            signature.ANCHORS: tuple(float(side) for level in anchors_of(self.facts) for side in level),
        }
        return DeviceDecode(signature.OPERATOR, self._names, attributes)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return level_names(len(self.facts.strides))

    @cached_property
    def _anchors(self) -> tuple[Floats, ...]:
        """Return width and height of the anchors of each level."""
        return tuple(np.asarray(level, np.float32).reshape(-1, 2) for level in anchors_of(self.facts))

    def outputs(self, contract: InputContract) -> Mapping[str, Shape]:
        """Return the shape of each output."""
        per_anchor = BOX + 1 + self.facts.num_classes
        found: dict[str, Shape] = {}
        for name, stride, anchors in zip(self._names, self.facts.strides, self._anchors, strict=True):
            height = f"height_{name}" if "height" in contract.dynamic else contract.height // stride
            width = f"width_{name}" if "width" in contract.dynamic else contract.width // stride
            found[name] = batch_axis(contract), len(anchors) * per_anchor, height, width
        return found

    def candidates(self, outputs: Mapping[str, NDArray[np.number]], index: int, wanted: Filter) -> Candidates:
        """Return boxes with objectness * class score of at least ``wanted.conf``, ordered by level, anchor, y, x.

        x = (2*sx - 0.5 + gx) * stride and w = (2*sw)^2 * anchor_w; y and h are computed in the same way. Objectness is
        compared first: class scores are at most 1, so no box is lost.
        """
        levels = [outputs[name][index] for name in self._names]
        last_height, last_width = levels[-1].shape[1:]
        minimum, found = _minimum_objectness(wanted), []
        for level, anchors in zip(levels, self._anchors, strict=True):
            height, width = level.shape[1:]
            stride = (last_width * self.facts.max_stride / width, last_height * self.facts.max_stride / height)
            found.append(_rows(level, anchors, stride, minimum))
        return _labelled(np.concatenate(found), wanted)


@dataclass(frozen=True)
class ClassicHead:
    """Layout ``classic``: one output [B, N, 5+nc] of cx, cy, w, h in pixels of the network input, objectness, classes.

    Files of other exporters have this layout too, with any output name and without anchors.
    """

    facts: ModelFacts
    layout: str = CLASSIC
    device_decode: DeviceDecode | None = None

    def outputs(self, contract: InputContract) -> Mapping[str, Shape]:
        """Return the shape of the output; without anchors the number of rows is dynamic."""
        sizes = [len(level) // 2 for level in anchors_of(self.facts)]
        rows: int | str = "boxes"
        if sizes and not {"height", "width"} & set(contract.dynamic):
            cells = [(contract.height // stride) * (contract.width // stride) for stride in self.facts.strides]
            rows = sum(count * size for count, size in zip(cells, sizes, strict=True))
        return {"output0": (batch_axis(contract), rows, BOX + 1 + self.facts.num_classes)}

    def candidates(self, outputs: Mapping[str, NDArray[np.number]], index: int, wanted: Filter) -> Candidates:
        """Return boxes with objectness * class score of at least ``wanted.conf``."""
        (output,) = outputs.values()
        rows = output[index]
        return _labelled(_floats(rows[rows[:, OBJECTNESS] >= _minimum_objectness(wanted)]), wanted)

    def pixels(self) -> slice:
        """Return the slice of the values in pixels: the box."""
        return slice(0, BOX)


def _minimum_objectness(wanted: Filter) -> float:
    return max(wanted.conf, wanted.score_threshold)


def _rows(level: NDArray[np.number], anchors: Floats, stride: Sequence[float], minimum: float) -> Floats:
    """Return rows cx, cy, w, h (pixels), objectness, classes of all anchors with at least ``minimum`` objectness."""
    channels, height, width = level.shape
    planes = level.reshape(len(anchors), channels // len(anchors), height, width)  # a view in NCHW and in NHWC order
    anchor, y, x = np.nonzero(planes[:, OBJECTNESS] >= minimum)
    rows = _floats(planes[anchor, :, y, x])
    grid = np.stack([x, y], axis=1).astype(np.float32)
    rows[:, 0:2] = (rows[:, 0:2] * 2 - np.float32(0.5) + grid) * np.asarray(stride, np.float32)
    rows[:, 2:4] = (rows[:, 2:4] * 2) ** 2 * anchors[anchor]
    return rows


def _labelled(rows: Floats, wanted: Filter) -> Candidates:
    """Return every class above the threshold with ``multi_label``, else the best class of each row."""
    objectness, classes = rows[:, OBJECTNESS], rows[:, OBJECTNESS + 1 :]
    if wanted.multi_label:
        scores = classes * objectness[:, None]
        row, label = np.nonzero(scores >= wanted.conf)
        return Candidates(_corners(rows)[row], scores[row, label], label.astype(np.int32))
    label = classes.argmax(axis=1)
    best = classes[np.arange(len(rows)), label] * objectness
    return Candidates(_corners(rows), best, label.astype(np.int32)).pick(best >= wanted.conf)


def _corners(rows: Floats) -> Floats:
    half = rows[:, 2:4] / 2
    return np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)


def _floats(values: NDArray[np.number]) -> Floats:
    return values.astype(np.float32, copy=False)
