"""One execution context of an engine on one stream: enqueues batches that its profile holds, as CUDA graphs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from backends.gpu.device import view
from backends.trt.memory import EngineDevice, Graph
from core.errors import HooklineError
from core.parts import DeviceArray
from cuda_plugins.callbacks import take_errors

Shape = tuple[int, ...]
KeyT = TypeVar("KeyT")
ItemT = TypeVar("ItemT")

TYPES = {"FLOAT": "float32", "HALF": "float16", "INT32": "int32", "INT64": "int64", "INT8": "int8", "UINT8": "uint8"}
"""NumPy's names of the element types of tensors; the others cannot cross the border of an engine of ours."""
SHAPES, GRAPHS, ADDRESSES = 4, 4, 32
"""Input shapes whose outputs and graphs are kept; graphs a shape, and addresses that are known again."""


@dataclass(frozen=True)
class Opened:
    """A deserialised engine.

    Attributes:
        trt: The module ``tensorrt`` or ``tensorrt_rtx``.
        runtime: ``trt.Runtime``; must outlive the engine.
        engine: ``trt.ICudaEngine``.
        reason: Why the library refuses, by its log.
    """

    trt: Any
    runtime: Any
    engine: Any
    reason: Callable[[], str]

    def dtype(self, name: str) -> np.dtype[Any]:
        """Element type of an input or output.

        Raises:
            HooklineError: NumPy has no such type.
        """
        kind = self.engine.get_tensor_dtype(name).name
        if kind not in TYPES:
            raise HooklineError(
                f"the engine's tensor '{name}' is of type {kind}", f"it can be one of {', '.join(TYPES)}"
            )
        return np.dtype(TYPES[kind])

    def names(self, *, inputs: bool) -> list[str]:
        """Of all inputs, or all outputs, in the engine's order."""
        mode = self.trt.TensorIOMode.INPUT if inputs else self.trt.TensorIOMode.OUTPUT
        every = [self.engine.get_tensor_name(index) for index in range(self.engine.num_io_tensors)]
        return [name for name in every if self.engine.get_tensor_mode(name) == mode]


class _Recent(OrderedDict[KeyT, ItemT]):
    """The few items that were used last."""

    def __init__(self, most: int, drop: Callable[[ItemT], object]) -> None:
        super().__init__()
        self._most, self._drop = most, drop

    def use(self, key: KeyT) -> ItemT | None:
        """The item, which then counts as used."""
        if key in self:
            self.move_to_end(key)
        return self.get(key)

    def keep(self, key: KeyT, item: ItemT) -> None:
        """Take one in, and drop the one that was used longest ago where there are too many."""
        self[key] = item
        while len(self) > self._most:
            self._drop(self.popitem(last=False)[1])


@dataclass(frozen=True)
class _Recorded:
    """A graph and the context that it was recorded from, which must stay as it was for as long as the graph is used."""

    context: Any
    graph: Graph


class _Prepared:
    """What is kept for one input shape: its outputs, the graphs that write them, and the addresses seen so far."""

    def __init__(self, outputs: dict[str, DeviceArray], drop: Callable[[_Recorded], None]) -> None:
        self.outputs = outputs
        self.graphs: _Recent[int, _Recorded] = _Recent(GRAPHS, drop)
        self.seen: _Recent[int, bool] = _Recent(ADDRESSES, lambda _: None)


class Execution:
    """Enqueues inference of one batch after another; each call's outputs are valid until the next.

    When a shape comes at the same address for the second time, the work is captured as a CUDA graph right after it
    was enqueued in the plain way, which does what is done once only for a shape; from then on the graph is launched.
    Each graph has a context of its own, since graphs are good only while their context is not changed. All contexts
    compute in the same memory, one after the other.

    Args:
        opened: The engine.
        device: Where it was deserialised.
        stream: All work is enqueued here.
        graphs: Whether to capture.

    Raises:
        HooklineError: There is not enough memory for the context.
    """

    def __init__(self, opened: Opened, device: EngineDevice, stream: int, *, graphs: bool) -> None:
        self._opened, self._device, self._stream, self._captures = opened, device, stream, graphs
        (self._input,) = opened.names(inputs=True)
        self._types = {name: opened.dtype(name) for name in opened.names(inputs=False)}
        with device.here():
            self._scratch: DeviceArray | None = device.empty((opened.engine.device_memory_size_v2,), np.uint8, stream)
            self._context = self._new_context()
        self._shapes: _Recent[Shape, _Prepared] = _Recent(SHAPES, self._drop_shape)

    def enqueue(self, shape: Shape, address: int) -> Mapping[str, DeviceArray]:
        """Begin the inference of images [B, 3, H, W] that lie at ``address``, and tell where its outputs will be.

        Raises:
            HooklineError: The shape does not fit, memory ran out, or TensorRT refuses; says why.
        """
        with self._device.here():
            prepared = self._shapes.use(shape)
            if prepared and (recorded := prepared.graphs.use(address)):
                recorded.graph.launch(self._stream)
                return prepared.outputs
            if self._captures and prepared and prepared.seen.use(address):
                context = self._new_context()
                self._begin(context, shape, address, prepared)
                prepared.graphs.keep(address, _Recorded(context, self._captured(context)))
            else:
                prepared = self._begin(self._context, shape, address, prepared)
                prepared.seen.keep(address, True)  # noqa: FBT003
            return prepared.outputs

    def close(self) -> None:
        """Wait for the work and give everything back."""
        with self._device.here():
            for prepared in self._shapes.values():
                self._drop_shape(prepared)
            self._shapes.clear()
            self._device.wait(self._stream)
            self._context = self._scratch = None

    def _new_context(self) -> Any:
        if self._scratch is None:
            raise RuntimeError("the execution is closed")
        strategy = self._opened.trt.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._opened.engine.create_execution_context(strategy)
        if context is None:
            raise HooklineError(
                f"TensorRT cannot make room to run the engine: {self._opened.reason()}",
                "end what else runs on the GPU, take a freer one with device=cuda:N, or build with a smaller batch",
            )
        room = view(self._scratch)
        context.set_device_memory(room.address, room.size)
        return context

    def _begin(self, context: Any, shape: Shape, address: int, prepared: _Prepared | None) -> _Prepared:
        """Enqueue on a context; makes the outputs where there are none for the shape."""
        self._accepted(context.set_input_shape(self._input, shape), f"the input shape {list(shape)}")
        if missing := context.infer_shapes():
            raise HooklineError(f"the engine needs the shapes of {', '.join(missing)} too", "build it with hookline")
        if prepared is None:
            prepared = _Prepared({name: self._empty(context, name) for name in self._types}, self._drop)
            self._shapes.keep(shape, prepared)
        addresses = {self._input: address, **{name: view(array).address for name, array in prepared.outputs.items()}}
        for name, place in addresses.items():
            self._accepted(context.set_tensor_address(name, place), f"the address of '{name}'")
        self._execute(context)
        return prepared

    def _empty(self, context: Any, name: str) -> DeviceArray:
        shape = tuple(context.get_tensor_shape(name))
        if min(shape, default=0) < 0:
            raise HooklineError(
                f"the size of the engine's output '{name}' depends on the data", "graft with graft=yolo_layer"
            )
        return self._device.empty(shape, self._types[name], self._stream)

    def _captured(self, context: Any) -> Graph:
        try:
            return self._device.capture(self._stream, lambda: self._execute(context))
        except RuntimeError as error:
            raise HooklineError(
                f"the engine cannot be captured as a CUDA graph ({error})", "set runtimes.tensorrt.graphs=false"
            ) from error

    def _drop(self, recorded: _Recorded) -> None:
        self._device.wait(self._stream)
        recorded.graph.free()

    def _drop_shape(self, prepared: _Prepared) -> None:
        for recorded in prepared.graphs.values():
            self._drop(recorded)

    def _execute(self, context: Any) -> None:
        done = context.execute_async_v3(self._stream)
        if errors := take_errors():
            raise errors[0]
        self._accepted(done, "the work")

    def _accepted(self, accepted: bool, what: str) -> None:  # noqa: FBT001
        if not accepted:
            raise HooklineError(
                f"TensorRT refuses {what}: {self._opened.reason()}", "build the engine again with +stage=build"
            )
