"""What the plugins use of the objects that TensorRT hands to them. Its Python bindings have no type stubs.

The module itself is a ``ModuleType``, since it is ``tensorrt`` or a variant of it, and known only at run time. Its
enumerations are only compared, so they are ``object``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from numpy.typing import ArrayLike

ExprT = TypeVar("ExprT")


class PluginTensorDesc(Protocol):
    """``trt.PluginTensorDesc``: type, format and shape of a tensor; -1 for a side that is still open."""

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
    """``trt.DynamicPluginTensorDesc``: a description whose shape may vary."""

    @property
    def desc(self) -> PluginTensorDesc:
        """Return the description."""
        ...


class ExprBuilder(Protocol[ExprT]):
    """``trt.IExprBuilder``: makes expressions of sizes, ``trt.IDimensionExpr``."""

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
