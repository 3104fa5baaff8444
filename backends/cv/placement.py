"""Where a picture goes in the network's input (docs/contracts.md, Input: letterbox)."""

from __future__ import annotations

from core.artifacts import InputContract
from core.detections import Letterbox
from core.errors import HooklineError


def placement(
    height: int, width: int, contract: InputContract, *, upscale: bool, fit: tuple[int, int] | None = None
) -> Letterbox:
    """Return where an image of this size goes: r = min(H/h, W/w), and the border that the contract's padding leaves.

    H and W are those of ``fit``, never more than the input's. In the centre, left = round(pad/2 - 0.1).
    """
    if not height or not width:
        raise HooklineError(f"an image of {width}x{height} pixels", "every side must have at least one pixel")
    rows, columns = fit or (contract.height, contract.width)
    ratio = min(min(rows, contract.height) / height, min(columns, contract.width) / width)
    ratio = ratio if upscale else min(ratio, 1.0)
    new_height, new_width = _size(height, width, ratio)
    top = left = 0
    if contract.padding == "centre":
        top = round((contract.height - new_height) / 2 - 0.1)
        left = round((contract.width - new_width) / 2 - 0.1)
    return Letterbox(ratio=ratio, left=left, top=top, height=height, width=width)


def resized_size(place: Letterbox) -> tuple[int, int]:
    """Height and width of a picture in network pixels."""
    return _size(place.height, place.width, place.ratio)


def _size(height: int, width: int, ratio: float) -> tuple[int, int]:
    """A picture thousands of times longer than wide keeps one pixel."""
    return max(1, round(height * ratio)), max(1, round(width * ratio))
