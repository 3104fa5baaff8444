"""What ``imgsz=`` means: one number for a square, or height and width."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import HooklineError


def network_size(imgsz: int | Sequence[int], max_stride: int) -> tuple[int, int]:
    """Height and width of the network's input.

    Args:
        imgsz: Pixels, one number or ``[height, width]``.
        max_stride: Both must be multiples of it.

    Raises:
        HooklineError: Not one or two positive whole numbers, or not multiples; names the nearest ones.
    """
    sizes = [imgsz] if isinstance(imgsz, int) else list(imgsz)
    if len(sizes) not in {1, 2} or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise HooklineError(f"imgsz={imgsz} is no size", "give one number of pixels, or [height,width]")
    for size in sizes:
        if size % max_stride:
            below, above = size // max_stride * max_stride, -(-size // max_stride) * max_stride
            nearest = f"{below} or {above}" if below else str(above)
            raise HooklineError(
                f"imgsz={size} is not a multiple of the model's largest stride {max_stride}", f"nearest: {nearest}"
            )
    return sizes[0], sizes[-1]
