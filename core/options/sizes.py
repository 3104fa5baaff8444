"""Size options: ``imgsz=``, and the size ranges ``build.batch=`` and ``build.imgsz=``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Generic, TypeAlias, TypeVar

from core.artifacts import Engine, OnnxModel
from core.errors import HooklineError, shown
from core.options.ranges import Range

DEFAULT = 640
"""Input size of a checkpoint if ``imgsz`` is null."""

InputSize: TypeAlias = Any
"""Type of an option that :func:`network_size` reads: a number or ``[height, width]``, which OmegaConf cannot state."""

SIDE = Range(1, 65536, whole=True)
"""Range of height and width of the input in pixels."""

ModelT = TypeVar("ModelT", bound=OnnxModel | Engine)


def size_to_use(imgsz: int | Sequence[int] | None, max_stride: int) -> tuple[int, int]:
    """Return height and width of the input of a checkpoint; see :func:`network_size`."""
    return network_size(DEFAULT if imgsz is None else imgsz, max_stride)


def fitted_size(model: ModelT, imgsz: int | Sequence[int] | None) -> ModelT:
    """Return the model with ``imgsz`` as its default size if height and width are dynamic.

    Args:
        model: An ONNX file or an engine.
        imgsz: As for :func:`network_size`; None keeps the size of the model.

    Raises:
        HooklineError: The model has another static size.
    """
    if imgsz is None:
        return model
    contract = model.contract
    height, width = network_size(imgsz, model.facts.max_stride)
    fixed = {"height", "width"} - set(contract.dynamic)
    sizes = {"height": height, "width": width}
    if any(sizes[axis] != getattr(contract, axis) for axis in fixed):
        what, verb = ("was built", "build") if isinstance(model, Engine) else ("was exported", "export")
        raise HooklineError(
            f"imgsz={_shown(imgsz)}, but '{model.path.name}' {what} for {contract.height}x{contract.width}",
            f"omit imgsz, or {verb} it again with imgsz={_shown(imgsz)}",
        )
    return replace(model, contract=replace(contract, height=height, width=width))


def _shown(imgsz: object) -> str:
    """Return the value as it is typed on the command line."""
    return f"[{','.join(map(shown, imgsz[:3]))}]" if isinstance(imgsz, (list, tuple)) else shown(imgsz)


def network_size(imgsz: object, max_stride: int) -> tuple[int, int]:
    """Return height and width of the network input.

    Args:
        imgsz: Size in pixels: one integer or ``[height, width]``.
        max_stride: Largest stride of the model; height and width must be multiples of it.

    Raises:
        HooklineError: The value is not one or two integers in range, or not a multiple of the stride. The message
            names the nearest multiples.
    """
    given = imgsz if isinstance(imgsz, (list, tuple)) else [imgsz]
    sizes = [size for size in given if isinstance(size, int) and size in SIDE]
    if len(given) not in {1, 2} or len(sizes) < len(given):
        raise HooklineError(
            f"imgsz={_shown(imgsz)} is not an input size", f"give one number or [height,width] in pixels: {SIDE}"
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
SPAN_KEYS = ("min", "opt", "max")
BATCH = Range(1, 65536, whole=True)
"""Range of images per inference."""


@dataclass(frozen=True)
class Span(Generic[T]):
    """A size range: ``build.batch='{min: 1, opt: 8, max: 16}'``. A single number is a range with three equal values.

    Attributes:
        min: Smallest size that the engine must support.
        opt: Size that the engine is optimised for.
        max: Largest size that the engine must support.
    """

    min: T
    opt: T
    max: T

    @property
    def fixed(self) -> bool:
        """Whether the range has one value only."""
        return self.min == self.max


def read_batch(value: object) -> Span[int]:
    """Return the size range of the batch from the value of ``build.batch``.

    Args:
        value: One integer, or a mapping of min, opt and max.

    Raises:
        HooklineError: A value is not an integer in range, a key is not min, opt or max, or they are not in order.
    """
    return _read(value, "build.batch", _batch)


def read_size(value: object, max_stride: int = 1) -> Span[tuple[int, int]]:
    """Return the size range of height and width from the value of ``build.imgsz``.

    Args:
        value: A size as for :func:`network_size`, or a mapping of min, opt and max.
        max_stride: Largest stride of the model; all sizes must be multiples of it.

    Raises:
        HooklineError: As for :func:`read_batch`, or a size is not a multiple of the stride.
    """
    return _read(value, "build.imgsz", lambda size: network_size(size, max_stride))


def _batch(value: object) -> int:
    if not isinstance(value, int) or value not in BATCH:
        raise HooklineError(f"{shown(value)} is not a number of images", f"possible: {BATCH}")
    return value


def _read(value: object, option: str, one: Callable[[object], T]) -> Span[T]:
    try:
        if not isinstance(value, Mapping):
            only = one(value)
            return Span(only, only, only)
        if set(value) != set(SPAN_KEYS):
            keys = ", ".join(map(str, islice(value, 4))) or "none"
            raise HooklineError(f"its keys are {keys}", "give min, opt and max")
        span = Span(*(one(value[name]) for name in SPAN_KEYS))
    except HooklineError as error:
        raise HooklineError(f"{option}={_shown_span(value)}: {error.message}", error.hint) from None
    if not (_ordered(span.min, span.opt) and _ordered(span.opt, span.max)):
        raise HooklineError(f"{option}={_shown_span(value)} is not in order", "it must be min <= opt <= max")
    return span


def _ordered(smaller: int | tuple[int, int], larger: int | tuple[int, int]) -> bool:
    pairs = ((item if isinstance(item, tuple) else (item,)) for item in (smaller, larger))
    return all(one <= other for one, other in zip(*pairs, strict=True))


def _shown_span(value: object) -> str:
    """Return the value as it is typed on the command line."""
    if not isinstance(value, Mapping):
        return shown(value)
    return "{" + ", ".join(f"{name}: {shown(item)}" for name, item in islice(value.items(), 4)) + "}"
