"""The options of the family's training, on the command line under ``train``. Light: imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from hookline.ranges import NonNegativeFloat, PositiveFloat


@dataclass
class AnchorFreeTraining:
    """How an anchor-free network is trained.

    Attributes:
        lr0: Learning rate after the warm-up.
        weight_decay: On the weights of convolutions.
        center_radius: Cells within this many strides of the centre of an object can learn it.
        reg_weight: Weight of the box term of the loss.
    """

    lr0: PositiveFloat = 0.005
    weight_decay: NonNegativeFloat = 0.02
    center_radius: PositiveFloat = 2.5
    reg_weight: NonNegativeFloat = 2.5
