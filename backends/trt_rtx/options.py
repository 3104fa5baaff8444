"""Options of the runtime ``tensorrt_rtx``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

CURRENT = "current"
"""The value of ``compute_capabilities`` for the card of this machine."""
CARD = "card"
"""Machine fact of an engine for ``[current]``: its card. Other engines do not depend on the card of the machine."""


@dataclass
class TrtRtxOptions:
    """Options of the runtime ``tensorrt_rtx``.

    Attributes:
        compute_capabilities: Cards that engines are built for, for example ``[sm86,sm89,sm120]``; an empty list lets
            TensorRT-RTX choose: Ampere and later. ``[current]`` is the card of this machine.
    """

    compute_capabilities: list[str] = field(default_factory=list)


def only_current(names: Sequence[str]) -> bool:
    """Return whether ``compute_capabilities`` is ``[current]``, in any case, as for the names of cards."""
    return {name.strip().lower() for name in names} == {CURRENT}
