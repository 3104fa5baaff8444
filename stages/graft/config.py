"""Options of the stage ``graft``."""

from __future__ import annotations

from dataclasses import dataclass

from core.options.fields import shared
from core.options.ranges import Fraction


@dataclass
class GraftConfig:
    """Options of the stage.

    Attributes:
        decode: Which graft; auto: the first one of the model family that the runtime can run.
        score_threshold: Objectness below which the graph drops a box, 0..1; the best score of a box in families without
            objectness. What it drops no later step can bring back: evaluate needs 0.001.
    """

    decode: str = shared("decode", kind="grafts")
    score_threshold: Fraction = 0.25
