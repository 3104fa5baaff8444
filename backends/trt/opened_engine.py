"""A deserialised engine: its tensors, its execution contexts, and the input shapes that it accepts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from backends.trt.library import Library
from backends.trt.runtime_types import ICudaEngine, IExecutionContext, IRuntime
from core.errors import HooklineError

Shape = tuple[int, ...]

TYPES = {"FLOAT": "float32", "HALF": "float16", "INT32": "int32", "INT64": "int64", "INT8": "int8", "UINT8": "uint8"}
"""NumPy's name of each ``trt.DataType`` that inputs and outputs can have."""


class KernelCache(Protocol):
    """Keeps the kernels that a library compiles while an engine runs."""

    def new_context(self) -> IExecutionContext | None:
        """Return an execution context without device memory; None if memory ran out."""
        ...

    def keep(self) -> None:
        """Save the kernels compiled so far."""
        ...


@dataclass(frozen=True)
class OpenedEngine:
    """A deserialised engine.

    Attributes:
        library: TensorRT or TensorRT-RTX.
        runtime: The ``trt.Runtime``; it must outlive the engine.
        engine: The ``trt.ICudaEngine``.
        kernels: The cache of kernels that are compiled at run time; None if the plan contains all kernels.
    """

    library: Library
    runtime: IRuntime
    engine: ICudaEngine
    kernels: KernelCache | None = None

    def new_context(self) -> IExecutionContext | None:
        """Return an execution context without device memory; None if memory ran out."""
        if self.kernels:
            return self.kernels.new_context()
        trt = self.library.trt
        return self.engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)

    def dtype(self, name: str) -> np.dtype[np.number]:
        """Return the element type of an input or output.

        Raises:
            HooklineError: NumPy has no such type.
        """
        kind = self.engine.get_tensor_dtype(name).name
        if kind not in TYPES:
            raise HooklineError(
                f"the engine's tensor '{name}' has the type {kind}", f"supported types: {', '.join(TYPES)}"
            )
        return np.dtype(TYPES[kind])

    def names(self, *, inputs: bool) -> list[str]:
        """Return the names of all inputs or all outputs, in the order of the engine."""
        trt = self.library.trt
        mode = trt.TensorIOMode.INPUT if inputs else trt.TensorIOMode.OUTPUT
        every = [self.engine.get_tensor_name(index) for index in range(self.engine.num_io_tensors)]
        return [name for name in every if self.engine.get_tensor_mode(name) == mode]


@dataclass(frozen=True)
class ShapeRange:
    """The input shapes that an engine accepts, both ends included.

    Attributes:
        minimum, maximum: [B, 3, H, W].
    """

    minimum: Shape
    maximum: Shape

    def check(self, shape: Shape) -> None:
        """Refuse a batch whose image size is out of range. Any batch length is accepted: batches are split and padded.

        Raises:
            HooklineError: Names the accepted sizes, and how to build for others.
        """
        inside = len(shape) == 4 and all(
            minimum <= size <= maximum
            for minimum, size, maximum in zip(self.minimum[1:], shape[1:], self.maximum[1:], strict=True)
        )
        if inside and shape[0]:
            return
        accepted = f"[any, {', '.join(map(str, self.minimum[1:]))}]"
        if self.minimum[1:] != self.maximum[1:]:
            accepted += f" to [any, {', '.join(map(str, self.maximum[1:]))}]"
        raise HooklineError(
            f"a batch of shape {list(shape)} does not fit the engine, which accepts {accepted}",
            "set imgsz= to a size in this range, or build for other sizes: build.imgsz={min: ..., opt: ..., max: ...}",
        )

    def pieces(self, count: int) -> Iterator[tuple[int, int, int]]:
        """Split a batch of ``count`` images. Yield the first image, the number of images and the padded length."""
        for start in range(0, count, self.maximum[0]):
            rows = min(count - start, self.maximum[0])
            yield start, rows, max(rows, self.minimum[0])


def shape_range(opened: OpenedEngine, name: str) -> ShapeRange:
    """Return the shapes of the input ``name``: the first optimisation profile, or the static shape."""
    shape = tuple(opened.engine.get_tensor_shape(name))
    if min(shape) >= 0:
        return ShapeRange(shape, shape)
    minimum, _, maximum = (tuple(size) for size in opened.engine.get_tensor_profile_shape(name, 0))
    return ShapeRange(minimum, maximum)
