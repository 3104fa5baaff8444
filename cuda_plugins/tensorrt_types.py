"""Protocols of the objects that TensorRT passes to plugins, and errors of plugin methods."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Sequence
from typing import ParamSpec, Protocol, TypeVar

from numpy.typing import ArrayLike

log = logging.getLogger("hookline")

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class _ThreadErrors(threading.local):
    """The errors of a thread."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []


_errors = _ThreadErrors()


def reported(callback: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Log and keep the exception of a callback, and raise it again."""

    @functools.wraps(callback)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return callback(*args, **kwargs)
        except Exception as error:
            log.error("%s failed: %s: %s", callback.__qualname__.split(".")[-1], type(error).__name__, error)
            _errors.errors.append(error)
            raise

    return call


def take_errors() -> tuple[Exception, ...]:
    """Return the errors in this thread since the last call, oldest first; empty if no callback failed."""
    taken = tuple(_errors.errors)
    _errors.errors.clear()
    return taken


ExprT = TypeVar("ExprT")


class PluginTensorDesc(Protocol):
    """``trt.PluginTensorDesc``: type, format and shape of a tensor; -1 for an unknown dimension."""

    @property
    def type(self) -> object:
        """Return the ``trt.DataType``."""
        ...

    @property
    def format(self) -> object:
        """Return the ``trt.TensorFormat``."""
        ...

    @property
    def dims(self) -> Sequence[int]:
        """Return the shape."""
        ...


class DynamicPluginTensorDesc(Protocol):
    """``trt.DynamicPluginTensorDesc``: the description of a tensor of dynamic shape."""

    @property
    def desc(self) -> PluginTensorDesc:
        """Return the description."""
        ...


class ExprBuilder(Protocol[ExprT]):
    """``trt.IExprBuilder``: creates expressions of sizes, ``trt.IDimensionExpr``."""

    def constant(self, value: int, /) -> ExprT:
        """Return the expression of a number."""
        ...

    def operation(self, operation: object, first: ExprT, second: ExprT, /) -> ExprT:
        """Return the expression of a ``trt.DimensionOperation``."""
        ...


class PluginField(Protocol):
    """``trt.PluginField``: a named attribute of a node."""

    @property
    def name(self) -> str:
        """Return the name."""
        ...

    @property
    def data(self) -> ArrayLike:
        """Return the values."""
        ...


class SymInt(Protocol):
    """``tensorrt.plugin.SymIntExpr``: a size as an expression."""

    @property
    def is_fake(self) -> bool:
        """Return whether it is a placeholder."""
        ...

    @property
    def is_constant(self) -> bool:
        """Return whether :meth:`constant_value` is known."""
        ...

    def constant_value(self) -> int:
        """Return the number."""
        ...

    def __mul__(self, other: SymInt | int, /) -> SymInt: ...

    def __add__(self, other: SymInt | int, /) -> SymInt: ...


class TensorDesc(Protocol):
    """``tensorrt.plugin.TensorDesc``: a tensor of a quickly deployable plugin."""

    @property
    def dtype(self) -> object:
        """Return the ``trt.DataType``."""
        ...

    @property
    def shape_expr(self) -> Sequence[SymInt]:
        """Return the shape."""
        ...
