"""Detections of one image, and the filter and letterbox that lead to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import HooklineError
from core.model_facts import ModelFacts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_CONF = 0.25
"""Confidence threshold for predictions. Scores are measured with that of :mod:`core.evaluation`."""
DEFAULT_IOU = 0.45
"""IoU threshold of NMS for predictions."""
MAX_SCORE = 1.01
"""Maximum score of a box (objectness times class score), with a tolerance for rounding in float16."""


@dataclass(frozen=True)
class Detections:
    """Boxes in one image, highest score first. ``len(found)`` is their number.

    Attributes:
        boxes: float32 [n, 4], x1, y1, x2, y2 in pixels of the original image, clipped to it.
        scores: float32 [n], 0 to 1.
        classes: int32 [n], class ids.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.scores)


def checked(found: Detections, facts: ModelFacts) -> Detections:
    """Return the detections of a model after checking their values, since a foreign model may output anything.

    Args:
        found: Detections of the model.
        facts: Facts of the model, for the message.

    Raises:
        HooklineError: A value is not finite, a score is not a probability, or a box has a negative side.
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
        f"the model '{facts.variant}' outputs {problem}",
        f"its outputs are not those of the family '{facts.family}'; export it again",
    )


@dataclass(frozen=True)
class Candidates:
    """Boxes in one image before NMS, in any order.

    Attributes:
        boxes: float32 [n, 4], x1, y1, x2, y2 in pixels of the network input, not clipped.
        scores: float32 [n].
        classes: int32 [n], class ids.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int32]

    def pick(self, chosen: NDArray[np.bool_ | np.integer]) -> Candidates:
        """Return the candidates that an index array or mask selects.

        Args:
            chosen: Indices, or a mask of length n.
        """
        return Candidates(self.boxes[chosen], self.scores[chosen], self.classes[chosen])


@dataclass(frozen=True)
class Filter:
    """Which boxes to keep; docs/contracts.md defines the NMS.

    Attributes:
        conf: Confidence threshold: drop boxes with a lower score, 0 to 1.
        iou: IoU threshold: drop a box that overlaps a better box of its class by more, 0 to 1.
        max_det: Maximum number of boxes per image.
        classes: Keep only these class ids; empty for all.
        multi_label: Keep every class of a box with a score of at least ``conf``, instead of the best class only. Needs
            a layout with all class scores, so not the decoded one.
        max_candidates: Maximum number of boxes per image that enter NMS, best first.
        score_threshold: Drop the boxes that a graft with this threshold drops, independently of ``conf``: by objectness
            if the family has it, otherwise by the best score of the box.
    """

    conf: float = DEFAULT_CONF
    iou: float = DEFAULT_IOU
    max_det: int = 300
    classes: tuple[int, ...] = ()
    multi_label: bool = False
    max_candidates: int = 30_000
    score_threshold: float = 0.0


@dataclass(frozen=True)
class Letterbox:
    """Position of one image in the network input: x_net = x * ratio + left.

    Attributes:
        ratio: Scale from image pixels to network pixels.
        left, top: Border in network pixels.
        height, width: Size of the original image in pixels.
    """

    ratio: float
    left: int
    top: int
    height: int
    width: int
