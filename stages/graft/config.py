"""Options of the stage ``graft``."""

from __future__ import annotations

from dataclasses import dataclass

from core.options.fields import shared
from core.options.ranges import Fraction


@dataclass
class GraftConfig:
    """Options of the stage.

    Attributes:
        decode: The graft that appends the decode step; auto: the first of the model family that the runtime can run.
        score_threshold: Minimum objectness of a box in the model, 0..1; in families without objectness, minimum best
            score. No later step can recover the boxes it drops: evaluate needs 0.001.
    """

    decode: str = shared("decode", kind="grafts")
    score_threshold: Fraction = 0.25
