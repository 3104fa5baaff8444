"""How often to draw each picture so that classes that are found badly are seen more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backends.yolov5.pictures.samples import Labelled


def image_weights(samples: Sequence[Labelled], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over the objects of a picture of (1 - mAP of the class)^2 / objects of that class in all pictures.

    A picture without objects has no weight, and is not drawn.

    Args:
        samples: Pictures and their objects.
        scores: mAP of every class, [nc], 0 where it is not known.

    Returns:
        Probabilities, [len(samples)], of sum 1; all alike where no class needs more.
    """
    counts = np.array([np.bincount(sample.classes, minlength=len(scores)) for sample in samples], np.float64)
    weights: NDArray[np.float64] = counts @ ((1 - scores) ** 2 / np.maximum(counts.sum(0), 1))
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(samples), 1 / len(samples))
