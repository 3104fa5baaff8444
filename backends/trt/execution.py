"""Enqueue inferences on one stream, and repeat them as CUDA graphs."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np

from backends.gpu.device import view
from backends.trt.logger import Watch
from backends.trt.memory import EngineDevice, Graph
from backends.trt.opened_engine import OpenedEngine, Shape
from backends.trt.runtime_types import IExecutionContext
from core.errors import HooklineError
from core.kinds.session import DeviceArray
from core.reporting import ignore

log = logging.getLogger("hookline")


KeyT = TypeVar("KeyT")
ItemT = TypeVar("ItemT")
ArgumentsP = ParamSpec("ArgumentsP")


MAX_SHAPES, MAX_GRAPHS, MAX_ADDRESSES = 4, 8, 32
"""Number of input shapes with kept outputs and graphs; per shape, number of graphs and of remembered addresses."""
MIN_SCRATCH = 256
"""Minimum size of the scratch memory in bytes."""
UNUSED_BATCHES = 64
"""A graph can be replaced when this many batches of its shape have not used it."""


class _Recent(OrderedDict[KeyT, ItemT]):
    """The items that were used last."""

    def __init__(self, maximum: int, drop: Callable[[ItemT], object]) -> None:
        super().__init__()
        self._maximum, self._drop = maximum, drop

    def use(self, key: KeyT) -> ItemT | None:
        """Return an item and mark it as used last."""
        if key in self:
            self.move_to_end(key)
        return self.get(key)

    def keep(self, key: KeyT, item: ItemT) -> None:
        """Add an item; drop the least recently used one if there are too many."""
        self[key] = item
        while len(self) > self._maximum:
            self._drop(self.popitem(last=False)[1])


@dataclass
class _RecordedGraph:
    """A CUDA graph, and the context that it was recorded from, which must not change while the graph is used.

    ``used``: number of the last batch of its shape that used it.
    """

    context: IExecutionContext
    graph: Graph
    used: int


class _ShapeState:
    """The state of one input shape: its outputs, the graphs that write them, and the input addresses seen so far."""

    def __init__(self, outputs: dict[str, DeviceArray], drop: Callable[[_RecordedGraph], None]) -> None:
        self.outputs = outputs
        self.graphs: _Recent[int, _RecordedGraph] = _Recent(MAX_GRAPHS, drop)
        self.seen: _Recent[int, bool] = _Recent(MAX_ADDRESSES, ignore)
        self.batches = 0

    def recorded(self, address: int) -> _RecordedGraph | None:
        """Return the graph for an input address, if any, and mark it as used."""
        self.batches += 1
        if found := self.graphs.use(address):
            found.used = self.batches
        return found

    @property
    def can_record(self) -> bool:
        """Whether another graph may be recorded.

        Graphs in use are not replaced: with more alternating addresses than ``MAX_GRAPHS``, each batch would record
        a graph that is dropped before its first use.
        """
        return len(self.graphs) < MAX_GRAPHS or next(iter(self.graphs.values())).used < self.batches - UNUSED_BATCHES


class Execution:
    """Enqueues inferences one after another; the outputs of a call are valid until the next call.

    When a shape comes at the same input address for the second time, the work is enqueued without a graph, which does
    the one-time work of that shape, and then captured as a CUDA graph. Later batches at this address launch the graph.
    Each graph has its own context, because a graph is valid only while its context does not change. All contexts share
    one scratch memory and run one after another. If an engine cannot be captured, this is logged once and all work is
    enqueued without graphs.

    Args:
        opened: The engine.
        device: The device of the engine.
        stream: The stream of all work.
        graphs: Capture CUDA graphs.

    Raises:
        HooklineError: There is not enough memory for the context.
    """

    def __init__(self, opened: OpenedEngine, device: EngineDevice, stream: int, *, graphs: bool) -> None:
        self._opened, self._device, self._stream, self._captures = opened, device, stream, graphs
        (self._input,) = opened.names(inputs=True)
        self._types = {name: opened.dtype(name) for name in opened.names(inputs=False)}
        with device.here():
            size = max(opened.engine.device_memory_size_v2, MIN_SCRATCH)  # CuPy returns address 0 for empty memory
            self._scratch: DeviceArray | None = device.empty((size,), np.uint8, stream)
            self._context: IExecutionContext | None = self._new_context()
        self._shapes: _Recent[Shape, _ShapeState] = _Recent(MAX_SHAPES, self._drop_shape)

    def enqueue(self, shape: Shape, address: int) -> Mapping[str, DeviceArray]:
        """Enqueue the inference of images [B, 3, H, W] at ``address``. Return the outputs, which are written later.

        Raises:
            HooklineError: The shape does not fit, memory ran out, or TensorRT refuses the work.
        """
        with self._device.here():
            prepared = self._shapes.use(shape)
            if prepared and (recorded := prepared.recorded(address)):
                recorded.graph.launch(self._stream)
            elif prepared and self._captures and prepared.seen.use(address) and prepared.can_record:
                self._capture(shape, address, prepared)
            else:
                prepared = self._enqueue_on(self._shared_context, shape, address, prepared)
                prepared.seen.keep(address, True)  # noqa: FBT003
            return prepared.outputs

    def close(self) -> None:
        """Wait for the work and free all memory."""
        with self._device.here():
            for prepared in self._shapes.values():
                self._drop_shape(prepared)
            self._shapes.clear()
            self._device.wait(self._stream)
            self._context = self._scratch = None

    @property
    def _shared_context(self) -> IExecutionContext:
        """The context of work without a graph."""
        if self._context is None:
            raise RuntimeError("the execution is closed")
        return self._context

    def _new_context(self) -> IExecutionContext:
        if self._scratch is None:
            raise RuntimeError("the execution is closed")
        watch = Watch(self._opened.library.journal)
        context = self._opened.new_context()
        if context is None:
            raise watch.error(
                "there is not enough GPU memory to run the engine",
                "close other programs on the GPU, choose another GPU with device=cuda:N, or build with a smaller batch",
            )
        scratch = view(self._scratch)
        context.set_device_memory(scratch.address, scratch.size)
        return context

    def _enqueue_on(
        self, context: IExecutionContext, shape: Shape, address: int, prepared: _ShapeState | None
    ) -> _ShapeState:
        """Enqueue on a context; allocate the outputs of a new shape."""
        self._accept(f"the input shape {list(shape)}", context.set_input_shape, self._input, shape)
        self._accept(f"inference from the input shape {list(shape)}", lambda: not context.infer_shapes())
        if prepared is None:
            prepared = _ShapeState({name: self._empty(context, name) for name in self._types}, self._drop)
            self._shapes.keep(shape, prepared)
        addresses = {self._input: address, **{name: view(array).address for name, array in prepared.outputs.items()}}
        for name, tensor_address in addresses.items():
            self._accept(f"the address of '{name}'", context.set_tensor_address, name, tensor_address)
        self._execute(context)
        return prepared

    def _empty(self, context: IExecutionContext, name: str) -> DeviceArray:
        shape = tuple(context.get_tensor_shape(name))
        if min(shape, default=0) < 0:
            raise HooklineError(
                f"the size of the engine's output '{name}' depends on the data",
                "append the decode step with decode=yolo_layer",
            )
        return self._device.empty(shape, self._types[name], self._stream)

    def _capture(self, shape: Shape, address: int, prepared: _ShapeState) -> None:
        """Enqueue on a new context, and capture the work as a graph; if this fails, only enqueue."""
        try:
            context = self._new_context()
        except HooklineError as error:
            self._disable_graphs(error)
            self._enqueue_on(self._shared_context, shape, address, prepared)
            return
        self._enqueue_on(context, shape, address, prepared)
        try:
            graph = self._device.capture(self._stream, lambda: self._execute(context))
        except (HooklineError, RuntimeError) as error:
            self._device.wait(self._stream)  # the context is freed now, and its work must have finished
            self._disable_graphs(error)
        else:
            prepared.graphs.keep(address, _RecordedGraph(context, graph, prepared.batches))

    def _disable_graphs(self, error: Exception) -> None:
        self._captures = False
        reason = error.message if isinstance(error, HooklineError) else str(error)
        log.warning("the engine cannot be captured as a CUDA graph; kernels are launched one by one: %s", reason)

    def _drop(self, recorded: _RecordedGraph) -> None:
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
        """Call TensorRT. It reports a refusal by returning false or by raising an error of the bindings."""
        watch = Watch(self._opened.library.journal)
        try:
            accepted, detail = call(*arguments, **named), ""
        except RuntimeError as error:
            accepted, detail = False, f" ({' '.join(str(error).split())})"
        if not accepted:
            raise watch.error(f"TensorRT refuses {what}{detail}", "build the engine again with +stage=build")
