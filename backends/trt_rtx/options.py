"""Options of the runtime ``tensorrt_rtx``."""

from __future__ import annotations

from dataclasses import dataclass, field

CURRENT = "current"
"""In ``compute_capabilities``: the card of this machine."""


@dataclass
class TrtRtxOptions:
    """Options of the runtime ``tensorrt_rtx``.

    Attributes:
        compute_capabilities: Cards that engines are built for, e.g. ``[sm86,sm89,sm120]``; none leaves it to
            TensorRT-RTX: Ampere and later. ``[current]`` is the card of this machine.
    """

    compute_capabilities: list[str] = field(default_factory=list)
