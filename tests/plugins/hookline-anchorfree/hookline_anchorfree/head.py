"""What the outputs of the network mean, in NumPy.

Level s gives [B, 5 + nc, H/s, W/s]: for the cell in column gx and row gy the channels 0..3 are a box with centre
((p0 + gx) * s, (p1 + gy) * s) and size (exp(p2) * s, exp(p3) * s) in pixels of the input, 4 is the objectness and 5..
are the class scores, 0..1. A score is objectness times class score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hookline import Candidates, DeviceDecode, Filter, InputContract, ModelFacts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAMES = ("level8", "level16", "level32")


@dataclass(frozen=True)
class AnchorFreeHead:
    """Implements hookline's ``Head``."""

    facts: ModelFacts
    layout: str = "heads"
    device_decode: DeviceDecode | None = None

    def outputs(self, contract: InputContract) -> Mapping[str, tuple[int | str, ...]]:
        """Return the shape of each output by name."""
        batch: int | str = "batch" if "batch" in contract.dynamic else contract.batch
        return {
            name: (
                batch,
                5 + self.facts.num_classes,
                f"height_{name}" if "height" in contract.dynamic else contract.height // stride,
                f"width_{name}" if "width" in contract.dynamic else contract.width // stride,
            )
            for name, stride in zip(NAMES, self.facts.strides, strict=True)
        }

    def candidates(self, outputs: Mapping[str, NDArray[Any]], index: int, wanted: Filter) -> Candidates:
        """Return the boxes of one image whose score reaches ``wanted.conf``."""
        import numpy as np

        found = [
            _level(outputs[name][index].astype(np.float32, copy=False), stride, wanted)
            for name, stride in zip(NAMES, self.facts.strides, strict=True)
        ]
        boxes, scores, classes = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return Candidates(boxes=boxes, scores=scores, classes=classes)


def _level(
    output: NDArray[np.float32], stride: int, wanted: Filter
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    """Return boxes x1, y1, x2, y2, scores and classes of one level."""
    import numpy as np

    objectness = output[4]
    y, x = np.nonzero(objectness >= max(wanted.conf, wanted.score_threshold))  # a score is at most the objectness
    cells = output[:, y, x]
    scores = cells[4] * cells[5:]
    if wanted.multi_label:
        classes, cell = np.nonzero(scores >= wanted.conf)
    else:
        best = scores.argmax(0)
        cell = np.flatnonzero(scores[best, np.arange(len(best))] >= wanted.conf)
        classes = best[cell]
    kept, places = cells[:, cell], np.stack([x[cell], y[cell]]).astype(np.float32)
    centres, halves = (kept[:2] + places) * stride, np.exp(kept[2:4]) * (stride / 2)
    boxes = np.concatenate([centres - halves, centres + halves]).T.astype(np.float32)
    return boxes, scores[classes, cell], classes.astype(np.int32)
