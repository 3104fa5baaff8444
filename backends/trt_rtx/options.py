"""Options of the runtime ``tensorrt_rtx``."""

from __future__ import annotations

from dataclasses import dataclass, field

CURRENT = "current"
"""The value of ``compute_capabilities`` for the card of this machine."""


@dataclass
class TrtRtxOptions:
    """Options of the runtime ``tensorrt_rtx``.

    Attributes:
        compute_capabilities: Cards that engines are built for, for example ``[sm86,sm89,sm120]``; an empty list lets
            TensorRT-RTX choose: Ampere and later. ``[current]`` is the card of this machine.
    """

    compute_capabilities: list[str] = field(default_factory=list)
