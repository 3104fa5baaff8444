"""Engines that compute on NumPy memory, and their device, which does its work only when a test waits for it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from backends.trt.capabilities import Capabilities
from backends.trt.library import Library
from backends.trt.logger import Journal
from backends.trt.opened_engine import OpenedEngine
from backends.trt.session import TrtSession
from core.artifacts import Engine
from core.model_facts import DECODED, InputContract, ModelFacts, Precision
from tests.backends.gpu.devices import ShimArray, ShimDevice

TYPES = {"FLOAT": np.float32, "HALF": np.float16, "INT32": np.int32}


class ShimGraph:
    def __init__(self, device: EngineShim, recorded: list[Callable[[], None]]) -> None:
        self.device, self.recorded, self.freed = device, recorded, False

    def launch(self, stream: int) -> None:
        assert not self.freed
        self.device.graph_launches += 1
        self.device._work[stream].extend(self.recorded)

    def free(self) -> None:
        self.freed = True


class EngineShim(ShimDevice):
    """See :class:`backends.trt.memory.EngineDevice`."""

    title = "cuda:0 (a GPU)"

    def __init__(self) -> None:
        super().__init__()
        self.copies, self.graph_launches, self.capturing, self.trimmed = 0, 0, False, 0
        self.graphs: list[ShimGraph] = []

    def empty(self, shape: tuple[int, ...], dtype: Any, stream: int) -> ShimArray:
        """Return memory aligned as CUDA memory is."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        whole = np.full(size + 256, 0xAB, np.uint8)
        start = -whole.ctypes.data % 256
        self._memory.append(whole)
        return ShimArray(whole[start : start + size].view(dtype).reshape(shape))

    @contextmanager
    def here(self) -> Iterator[None]:
        yield

    def adopt(self, array: Any) -> Any:
        if hasattr(array, "__cuda_array_interface__"):
            return array
        array.__dlpack__()
        return array.array

    def trim(self) -> None:
        self.trimmed += 1

    def begin(self, stream: int, work: Callable[[], None]) -> None:
        """The behaviour of test engines."""
        self._work[stream].append(work)

    def is_capturing(self, stream: int) -> bool:
        return self.capturing

    def copy(self, source: int, target: int, size: int, stream: int) -> None:
        self.copies += 1
        self._work[stream].append(lambda: ctypes.memmove(target, source, size))

    def capture(self, stream: int, work: Callable[[], None]) -> ShimGraph:
        waiting, self._work[stream], self.capturing = self._work[stream], [], True
        try:
            work()
            self.graphs.append(ShimGraph(self, self._work[stream]))
        finally:
            self._work[stream], self.capturing = waiting, False
        return self.graphs[-1]


def memory(address: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array on plain memory."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_uint8 * size).from_address(address), dtype).reshape(shape)


def expected(images: np.ndarray) -> dict[str, np.ndarray]:
    """Return the expected outputs: per image a count, and rows of its means."""
    values = images.astype(np.float32)
    means = values.mean((1, 3))
    return {
        "count": (values[:, 0, 0, :1] * 1000).astype(np.int32),
        "boxes": np.repeat(means[:, :, None], 4, 2).astype(np.float32),
    }


class FakeContext:
    """Computes :func:`expected` for the memory at its addresses when the stream reaches the work."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine, self.shape, self.addresses = engine, (), {}
        self.settled, self.runs = False, 0
        self.captured = False  # TensorRT's graphs are good only while nothing of their context is changed
        self.scratch: np.ndarray | None = None

    def set_device_memory(self, memory: int, size: int) -> None:
        assert memory % 256 == 0
        assert size >= self.engine.device_memory_size_v2
        self.scratch = np.frombuffer((ctypes.c_uint8 * size).from_address(memory), np.uint8)

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert name == "images"
        assert not self.captured
        least, greatest = self.engine.profile[0], self.engine.profile[2]
        fits = all(low <= size <= high for low, size, high in zip(least, shape, greatest, strict=True))
        self.settled = self.settled and shape == self.shape
        self.shape = tuple(shape)
        return fits

    def infer_shapes(self) -> list[str]:
        return []

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        batch, _, height, _ = self.shape
        rows = -1 if self.engine.data_dependent else height
        return (batch, 1) if name == "count" else (batch, rows, 4)

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert address % 256 == 0
        assert not self.captured
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        capturing = self.engine.device.is_capturing(stream)
        if capturing and not (self.settled and self.engine.capturable):
            LIBRARY.journal.add(1, "operation not permitted when stream is capturing")
            return False
        self.settled, self.runs, self.captured = True, self.runs + 1, capturing
        self.engine.runs += 1
        shape, places, scratch = self.shape, dict(self.addresses), self.scratch
        kind = TYPES[self.engine.kind]  # what is at work keeps no context alive
        assert scratch is not None

        def compute() -> None:
            scratch[:] = 0
            outputs = expected(memory(places["images"], shape, kind))
            for name, values in outputs.items():
                memory(places[name], values.shape, values.dtype)[:] = values

        if self.engine.works:
            self.engine.device.begin(stream, compute)
        else:
            LIBRARY.journal.add(1, "the cause")
        return self.engine.works


class FakeEngine:
    """``trt.ICudaEngine`` with the input ``images`` and the outputs ``count`` and ``boxes``."""

    num_io_tensors = 3
    profile = ((2, 3, 8, 8), (3, 3, 8, 8), (4, 3, 16, 16))
    device_memory_size_v2 = 1000

    def __init__(self, device: Any, **changes: Any) -> None:
        self.device, self.kind = device, "FLOAT"
        self.works, self.room, self.data_dependent, self.static = True, True, False, False
        self.capturable = True
        self.contexts: list[FakeContext] = []
        self.runs = 0
        for name, value in changes.items():
            setattr(self, name, value)

    def get_tensor_name(self, index: int) -> str:
        return ("images", "count", "boxes")[index]

    def get_tensor_mode(self, name: str) -> str:
        return "input" if name == "images" else "output"

    def get_tensor_dtype(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name={"images": self.kind, "count": "INT32", "boxes": "FLOAT"}[name])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.profile[0] if self.static else (-1, 3, -1, -1)

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        assert profile == 0
        return list(self.profile)

    def create_execution_context(self, strategy: str) -> FakeContext | None:
        assert strategy == "user's"
        if not self.room:
            LIBRARY.journal.add(1, "out of memory")
            return None
        self.contexts.append(FakeContext(self))
        return self.contexts[-1]


TRT = SimpleNamespace(
    TensorIOMode=SimpleNamespace(INPUT="input", OUTPUT="output"),
    ExecutionContextAllocationStrategy=SimpleNamespace(USER_MANAGED="user's"),
)
NOTHING = Capabilities(*[False] * 7, (), ())
LIBRARY = Library(TRT, "TensorRT", "10.16", NOTHING, SimpleNamespace(journal=Journal()))
FACTS = ModelFacts("yolov5", "yolov5n", ("person",), (8, 16, 32), {"anchors": [[1.0] * 6] * 3})


def about() -> Engine:
    """The artifact of the engine."""
    return Engine(
        path=Path("a.engine"),
        facts=FACTS,
        contract=InputContract(2, 8, 8, dynamic=("batch", "height", "width")),
        layout=DECODED,
        precision=Precision.fp16,
        runtime="tensorrt",
        score_threshold=0.25,
        machine={},
    )


def opened_session(*, graphs: bool = True, **changes: Any) -> tuple[TrtSession, FakeEngine, EngineShim]:
    """Return a session, its engine and its device."""
    device = EngineShim()
    return *session_on(device, graphs=graphs, **changes), device


def session_on(
    device: Any, *, graphs: bool = True, kernels: Callable[[Any], Any] = lambda _: None, **changes: Any
) -> tuple[TrtSession, FakeEngine]:
    """Return a session and its engine on a device that also has ``begin`` and ``is_capturing``."""
    engine = FakeEngine(device, **changes)
    return TrtSession(OpenedEngine(LIBRARY, object(), engine, kernels(engine)), about(), device, graphs=graphs), engine
