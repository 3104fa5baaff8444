"""What ``imgsz=`` means: one number for a square, or height and width; null leaves the size to the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from core.artifacts import Engine, OnnxModel
from core.errors import HooklineError, shown
from core.ranges import Range

DEFAULT = 640
"""Size of a network that does not have one yet, where ``imgsz`` is null."""

SIDE = Range(1, 65536, whole=True)
"""Height or width of the input in pixels."""

ModelT = TypeVar("ModelT", bound=OnnxModel | Engine)


def size_to_use(imgsz: int | Sequence[int] | None, max_stride: int) -> tuple[int, int]:
    """Return height and width for a model that has no size of its own; see :func:`network_size`."""
    return network_size(DEFAULT if imgsz is None else imgsz, max_stride)


def fitted_size(model: ModelT, imgsz: int | Sequence[int] | None) -> ModelT:
    """Return the model with ``imgsz`` as the size to use, where it leaves height and width open.

    Args:
        model: An ONNX file or an engine, which has a size of its own.
        imgsz: As :func:`network_size`; None: that size.

    Raises:
        HooklineError: The model takes another size only.
    """
    if imgsz is None:
        return model
    contract = model.contract
    height, width = network_size(imgsz, model.facts.max_stride)
    fixed = {"height", "width"} - set(contract.dynamic)
    sizes = {"height": height, "width": width}
    if any(sizes[axis] != getattr(contract, axis) for axis in fixed):
        what, remedy = ("was built", "build") if isinstance(model, Engine) else ("was exported", "export")
        raise HooklineError(
            f"imgsz={_shown(imgsz)}, but '{model.path.name}' {what} for {contract.height}x{contract.width}",
            f"leave imgsz out, or {remedy} it again with imgsz={_shown(imgsz)}",
        )
    return replace(model, contract=replace(contract, height=height, width=width))


def _shown(imgsz: object) -> str:
    """As on a command line."""
    return f"[{','.join(map(shown, imgsz[:3]))}]" if isinstance(imgsz, (list, tuple)) else shown(imgsz)


def network_size(imgsz: object, max_stride: int) -> tuple[int, int]:
    """Height and width of the network's input.

    Args:
        imgsz: Pixels, one number or ``[height, width]``.
        max_stride: Both must be multiples of it.

    Raises:
        HooklineError: Not one or two whole numbers in range, or not multiples; names the nearest ones.
    """
    given = imgsz if isinstance(imgsz, (list, tuple)) else [imgsz]
    sizes = [size for size in given if isinstance(size, int) and size in SIDE]
    if len(given) not in {1, 2} or len(sizes) < len(given):
        raise HooklineError(
            f"imgsz={_shown(imgsz)} is not an input size", f"give pixels, {SIDE}, as one number or [height,width]"
        )
    for size in sizes:
        if size % max_stride:
            below, above = size // max_stride * max_stride, -(-size // max_stride) * max_stride
            nearest = f"{below} or {above}" if below else str(above)
            raise HooklineError(
                f"imgsz={size} is not a multiple of the model's largest stride {max_stride}", f"nearest: {nearest}"
            )
    return sizes[0], sizes[-1]
