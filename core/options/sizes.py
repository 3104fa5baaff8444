"""Sizes as options: ``imgsz=``, and the ranges of ``build.batch=`` and ``build.imgsz=``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Generic, TypeVar

from core.artifacts import Engine, OnnxModel
from core.errors import HooklineError, shown
from core.options.ranges import Range

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


T = TypeVar("T", int, tuple[int, int])
WORDS = ("min", "opt", "max")
BATCH = Range(1, 65536, whole=True)
"""Images per inference."""


@dataclass(frozen=True)
class Span(Generic[T]):
    """A range of sizes: ``build.batch='{min: 1, opt: 8, max: 16}'``. One number is a span with three equal values.

    Attributes:
        min: The smallest size that the engine must take.
        opt: The size that it is to be fastest at.
        max: The largest size.
    """

    min: T
    opt: T
    max: T

    @property
    def fixed(self) -> bool:
        """Whether there is only one value."""
        return self.min == self.max


def read_batch(value: object) -> Span[int]:
    """Pictures a call.

    Raises:
        HooklineError: No whole numbers from 1, words other than min, opt and max, or not in this order.
    """
    return _read(value, "build.batch", _batch)


def read_size(value: object, max_stride: int = 1) -> Span[tuple[int, int]]:
    """Height and width of the input, multiples of ``max_stride``.

    Raises:
        HooklineError: As :func:`read_batch`, and where a size is no multiple.
    """
    return _read(value, "build.imgsz", lambda size: network_size(size, max_stride))


def _batch(value: object) -> int:
    if not isinstance(value, int) or value not in BATCH:
        raise HooklineError(f"{shown(value)} is not a number of images", f"possible: {BATCH}")
    return value


def _read(value: object, word: str, one: Callable[[object], T]) -> Span[T]:
    try:
        if not isinstance(value, Mapping):
            only = one(value)
            return Span(only, only, only)
        if set(value) != set(WORDS):
            named = ", ".join(map(str, islice(value, 4))) or "nothing"
            raise HooklineError(f"it names {named}", "give min, opt and max")
        span = Span(*(one(value[name]) for name in WORDS))
    except HooklineError as error:
        raise HooklineError(f"{word}={_shown_span(value)}: {error.message}", error.hint) from None
    if not (_within(span.min, span.opt) and _within(span.opt, span.max)):
        raise HooklineError(f"{word}={_shown_span(value)} is not in order", "it must be min <= opt <= max")
    return span


def _within(least: int | tuple[int, int], greatest: int | tuple[int, int]) -> bool:
    pairs = ((item if isinstance(item, tuple) else (item,)) for item in (least, greatest))
    return all(one <= other for one, other in zip(*pairs, strict=True))


def _shown_span(value: object) -> str:
    """As it is written on a command line."""
    if not isinstance(value, Mapping):
        return shown(value)
    return "{" + ", ".join(f"{name}: {shown(item)}" for name, item in islice(value.items(), 4)) + "}"
