"""A moving average of the weights, which is what a training gives in the end."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor

from backends.yolov5.model import YOLOv5


class EMA:
    """An average that follows closely at first: its decay is ``decay * (1 - exp(-updates / tau))``.

    Weights and the statistics of normalisations are averaged; counters are copied.

    Args:
        model: What it starts as; its float32 copy is kept in evaluation mode, without gradients.
        decay: In the long run.
        tau: Updates after which 63 % of that is reached.
        updates: Updates already made.

    Attributes:
        model: The average.
        updates: Updates made.
    """

    def __init__(self, model: YOLOv5, decay: float = 0.9999, tau: float = 2000, updates: int = 0) -> None:
        self.model = copy.deepcopy(model).float().eval().requires_grad_(requires_grad=False)
        self.decay, self.tau, self.updates = decay, tau, updates

    @torch.no_grad()
    def update(self, model: YOLOv5) -> None:
        """Take in the weights after a step of the optimiser; ``model`` is not wrapped and on the same device."""
        self.updates += 1
        share = 1 - self.decay * (1 - math.exp(-self.updates / self.tau))
        (floats, counters), (new_floats, new_counters) = _tensors(self.model), _tensors(model)
        torch._foreach_lerp_(floats, new_floats, share)
        for counter, new in zip(counters, new_counters, strict=True):
            counter.copy_(new)

    def load(self, state: Mapping[str, Tensor], updates: int) -> None:
        """Go on from the average ``state`` after so many updates."""
        self.model.load_state_dict(state)
        self.updates = updates


def _tensors(model: YOLOv5) -> tuple[list[Tensor], list[Tensor]]:
    """All that floats, and all that counts."""
    tensors = [*model.parameters(), *model.buffers()]
    return [each for each in tensors if each.is_floating_point()], [
        each for each in tensors if not each.is_floating_point()
    ]
