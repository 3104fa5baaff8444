"""Boxes found in one picture, and how raw outputs are filtered to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import HooklineError
from core.model_facts import ModelFacts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_SCORE = 1.01
"""Of a box: objectness times class score, with room for the rounding of float16."""


@dataclass(frozen=True)
class Detections:
    """Boxes of one image, best score first. ``len(found)`` is their number.

    Attributes:
        boxes: float32 [n, 4], x1, y1, x2, y2 in pixels of the original image, clipped to it.
        scores: float32 [n], 0..1.
        classes: int32 [n].
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.scores)


def checked(found: Detections, facts: ModelFacts) -> Detections:
    """Return ``found``, the boxes of a model, where they are boxes: a file of anybody can compute anything.

    Raises:
        HooklineError: A number is not finite, a score is no probability, or a box has a negative side.
    """
    boxes, scores = found.boxes, found.scores
    if not len(scores):
        return found
    worst = float(scores.max())
    if not 0 <= float(scores.min()) <= worst <= MAX_SCORE:
        problem = f"a score of {worst:g}"
    elif not ((boxes[:, :2] <= boxes[:, 2:]).all() and abs(float(boxes.sum())) < math.inf):
        problem = "a box that is not finite or has a negative side"
    else:
        return found
    raise HooklineError(
        f"the model '{facts.variant}' gives {problem}",
        f"its outputs are not those of the family '{facts.family}'; export it again",
    )


@dataclass(frozen=True)
class Candidates:
    """Boxes of one image before the NMS, in no order that matters.

    Attributes:
        boxes: float32 [n, 4], x1, y1, x2, y2 in pixels of the network input, not clipped.
        scores: float32 [n].
        classes: int32 [n].
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int32]

    def pick(self, chosen: NDArray[np.bool_ | np.integer]) -> Candidates:
        """Return those of an index array or mask."""
        return Candidates(self.boxes[chosen], self.scores[chosen], self.classes[chosen])


@dataclass(frozen=True)
class Filter:
    """Which boxes are kept; docs/contracts.md states the NMS.

    Attributes:
        conf: Boxes with a score below it are dropped, 0..1.
        iou: A box that overlaps a better one of its class by more than this is dropped, 0..1.
        max_det: Maximum number of boxes per image.
        classes: Only these class ids, all where empty.
        multi_label: Keep every class of a box that reaches ``conf`` instead of the best one. Needs
            a layout that still has all class scores, which the decoded one has not.
        max_candidates: Maximum number of boxes per image that enter the NMS, best first.
        score_threshold: Drop what a graft with this threshold drops, whatever ``conf`` is: by objectness where the
            family has one, else by the best score of the box.
    """

    conf: float = 0.25
    iou: float = 0.45
    max_det: int = 300
    classes: tuple[int, ...] = ()
    multi_label: bool = False
    max_candidates: int = 30_000
    score_threshold: float = 0.0


@dataclass(frozen=True)
class Letterbox:
    """How one image was placed in the network input: x_net = x * ratio + left.

    Attributes:
        ratio: Factor from image pixels to network pixels.
        left, top: Border in network pixels.
        height, width: Size of the original image.
    """

    ratio: float
    left: int
    top: int
    height: int
    width: int
