"""One execution context of an engine on one stream: enqueues batches that its profile holds, as CUDA graphs."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

import numpy as np

from backends.gpu.device import view
from backends.trt.bindings import ICudaEngine, IExecutionContext, IRuntime
from backends.trt.failures import Watch
from backends.trt.library import Library
from backends.trt.memory import EngineDevice, Graph
from core.errors import HooklineError
from core.kinds.session import DeviceArray
from core.reporting import ignore

log = logging.getLogger("hookline")

Shape = tuple[int, ...]
KeyT = TypeVar("KeyT")
ItemT = TypeVar("ItemT")
ArgumentsP = ParamSpec("ArgumentsP")

TYPES = {"FLOAT": "float32", "HALF": "float16", "INT32": "int32", "INT64": "int64", "INT8": "int8", "UINT8": "uint8"}
"""NumPy's names of the element types of tensors; the others cannot cross the border of an engine of ours."""
SHAPES, GRAPHS, ADDRESSES = 4, 8, 32
"""Input shapes whose outputs and graphs are kept; graphs a shape, and addresses that are known again."""
LEAST = 256
"""Bytes of scratch memory that are taken at least."""
IDLE = 64
"""Batches of a shape after which a graph that none of them used gives way to another."""


class Kernels(Protocol):
    """Where a library compiles kernels while an engine runs: what it has compiled is kept."""

    def new_context(self) -> IExecutionContext | None:
        """``trt.IExecutionContext`` without memory of its own; None where there is no room."""
        ...

    def keep(self) -> None:
        """Keep what has been compiled so far."""
        ...


@dataclass(frozen=True)
class Opened:
    """A deserialised engine.

    Attributes:
        library: TensorRT, or TensorRT-RTX.
        runtime: ``trt.Runtime``; must outlive the engine.
        engine: ``trt.ICudaEngine``.
        kernels: What is compiled while it runs; None where all is in the plan.
    """

    library: Library
    runtime: IRuntime
    engine: ICudaEngine
    kernels: Kernels | None = None

    def new_context(self) -> IExecutionContext | None:
        """``trt.IExecutionContext``, to be given memory; None where there is no room."""
        if self.kernels:
            return self.kernels.new_context()
        trt = self.library.trt
        return self.engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)

    def dtype(self, name: str) -> np.dtype[np.number]:
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
        trt = self.library.trt
        mode = trt.TensorIOMode.INPUT if inputs else trt.TensorIOMode.OUTPUT
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


@dataclass
class _Recorded:
    """A graph and the context that it was recorded from, which must stay as it was for as long as the graph is used.

    ``used``: number of the batch of its shape that used it last.
    """

    context: IExecutionContext
    graph: Graph
    used: int


class _ShapeState:
    """What is kept for one input shape: its outputs, the graphs that write them, and the addresses seen so far."""

    def __init__(self, outputs: dict[str, DeviceArray], drop: Callable[[_Recorded], None]) -> None:
        self.outputs = outputs
        self.graphs: _Recent[int, _Recorded] = _Recent(GRAPHS, drop)
        self.seen: _Recent[int, bool] = _Recent(ADDRESSES, ignore)
        self.batches = 0

    def recorded(self, address: int) -> _Recorded | None:
        """The graph for an address, which then counts as used."""
        self.batches += 1
        if found := self.graphs.use(address):
            found.used = self.batches
        return found

    @property
    def has_room(self) -> bool:
        """Whether another graph may be recorded. Those in use do not give way: more addresses in turn than graphs that
        are kept would let each batch record one that is dropped before it is used.
        """
        return len(self.graphs) < GRAPHS or next(iter(self.graphs.values())).used < self.batches - IDLE


class Execution:
    """Enqueues inference of one batch after another; each call's outputs are valid until the next.

    When a shape comes at the same address for the second time, the work is captured as a CUDA graph right after it
    was enqueued in the plain way, which does what is done once only for a shape; from then on the graph is launched.
    Each graph has a context of its own, since graphs are good only while their context is not changed. All contexts
    compute in the same memory, one after the other. Where an engine cannot be captured, that is told once in the log,
    and all work is enqueued in the plain way.

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
            size = max(opened.engine.device_memory_size_v2, LEAST)  # of no memory CuPy gives the address 0
            self._scratch: DeviceArray | None = device.empty((size,), np.uint8, stream)
            self._context: IExecutionContext | None = self._new_context()
        self._shapes: _Recent[Shape, _ShapeState] = _Recent(SHAPES, self._drop_shape)

    def enqueue(self, shape: Shape, address: int) -> Mapping[str, DeviceArray]:
        """Begin the inference of images [B, 3, H, W] that lie at ``address``, and tell where its outputs will be.

        Raises:
            HooklineError: The shape does not fit, memory ran out, or TensorRT refuses; says why.
        """
        with self._device.here():
            prepared = self._shapes.use(shape)
            if prepared and (recorded := prepared.recorded(address)):
                recorded.graph.launch(self._stream)
            elif prepared and self._captures and prepared.seen.use(address) and prepared.has_room:
                self._capture(shape, address, prepared)
            else:
                prepared = self._begin(self._usual, shape, address, prepared)
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

    @property
    def _usual(self) -> IExecutionContext:
        """The context of what is enqueued in the plain way."""
        if self._context is None:
            raise RuntimeError("the execution is closed")
        return self._context

    def _new_context(self) -> IExecutionContext:
        if self._scratch is None:
            raise RuntimeError("the execution is closed")
        watch = Watch(self._opened.library)
        context = self._opened.new_context()
        if context is None:
            raise watch.error(
                "TensorRT cannot make room to run the engine",
                "end what else runs on the GPU, take a freer one with device=cuda:N, or build with a smaller batch",
            )
        room = view(self._scratch)
        context.set_device_memory(room.address, room.size)
        return context

    def _begin(
        self, context: IExecutionContext, shape: Shape, address: int, prepared: _ShapeState | None
    ) -> _ShapeState:
        """Enqueue on a context; makes the outputs where there are none for the shape."""
        self._accept(f"the input shape {list(shape)}", context.set_input_shape, self._input, shape)
        self._accept(f"the input shape {list(shape)} alone", lambda: not context.infer_shapes())
        if prepared is None:
            prepared = _ShapeState({name: self._empty(context, name) for name in self._types}, self._drop)
            self._shapes.keep(shape, prepared)
        addresses = {self._input: address, **{name: view(array).address for name, array in prepared.outputs.items()}}
        for name, place in addresses.items():
            self._accept(f"the address of '{name}'", context.set_tensor_address, name, place)
        self._execute(context)
        return prepared

    def _empty(self, context: IExecutionContext, name: str) -> DeviceArray:
        shape = tuple(context.get_tensor_shape(name))
        if min(shape, default=0) < 0:
            raise HooklineError(
                f"the size of the engine's output '{name}' depends on the data", "graft with decode=yolo_layer"
            )
        return self._device.empty(shape, self._types[name], self._stream)

    def _capture(self, shape: Shape, address: int, prepared: _ShapeState) -> None:
        """Enqueue on a new context, and record that for the next time; where that fails, only enqueue."""
        try:
            context = self._new_context()
        except HooklineError as error:
            self._give_up_graphs(error)
            self._begin(self._usual, shape, address, prepared)
            return
        self._begin(context, shape, address, prepared)
        try:
            graph = self._device.capture(self._stream, lambda: self._execute(context))
        except (HooklineError, RuntimeError) as error:
            self._device.wait(self._stream)  # the context goes now, and must not go with work under way
            self._give_up_graphs(error)
        else:
            prepared.graphs.keep(address, _Recorded(context, graph, prepared.batches))

    def _give_up_graphs(self, error: Exception) -> None:
        self._captures = False
        why = error.message if isinstance(error, HooklineError) else str(error)
        log.warning("the engine cannot be captured as a CUDA graph, kernels are launched one by one: %s", why)

    def _drop(self, recorded: _Recorded) -> None:
        self._device.wait(self._stream)
        recorded.graph.free()

    def _drop_shape(self, prepared: _ShapeState) -> None:
        for recorded in prepared.graphs.values():
            self._drop(recorded)

    def _execute(self, context: IExecutionContext) -> None:
        self._accept("the work", context.execute_async_v3, self._stream)

    def _accept(
        self, what: str, call: Callable[ArgumentsP, bool], *arguments: ArgumentsP.args, **named: ArgumentsP.kwargs
    ) -> None:
        """Do what TensorRT answers with false, or with an error of the bindings, where it refuses."""
        watch = Watch(self._opened.library)
        try:
            accepted, said = call(*arguments, **named), ""
        except RuntimeError as error:
            accepted, said = False, f" ({' '.join(str(error).split())})"
        if not accepted:
            raise watch.error(f"TensorRT refuses {what}{said}", "build the engine again with +stage=build")
