"""Losses and gradients have to stay finite."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from backends.yolov5.errors import TrainingError


class _Open(NamedTuple):
    """A value that nobody has looked at; ``copied``: when a GPU has handed it over."""

    value: Tensor
    copied: torch.cuda.Event | None
    name: str
    where: str


class Finite:
    """Tells the first value that is not finite.

    A GPU's value is looked at when the next one comes: to wait for it at once would leave the GPU without work.

    Args:
        device: Where the values are computed.
    """

    def __init__(self, device: torch.device) -> None:
        self._late = device.type == "cuda"
        self._open: _Open | None = None

    def check(self, value: Tensor, name: str, where: str) -> None:
        """Look at ``value``, a scalar, or on a GPU at the one before.

        Raises:
            TrainingError: It is not finite.
        """
        self.settle()
        host, copied = value.detach().to("cpu", non_blocking=True), None
        if self._late:
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record()
        self._open = _Open(host, copied, name, where)
        if not self._late:
            self.settle()

    def settle(self) -> None:
        """Look at what is left; nothing may be written before.

        Raises:
            TrainingError: It is not finite.
        """
        if self._open is None:
            return
        (value, copied, name, where), self._open = self._open, None
        if copied is not None:
            copied.synchronize()
        if not math.isfinite(number := value.item()):
            raise TrainingError(
                f"the {name} became {number:g} {where}",
                "a smaller lr0, amp=off or a look at these images may help; the last good checkpoint was kept",
            )
