"""``CupyEngineDevice``: captures, copies and arrays of others, over a CuPy that does its work on the CPU."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from backends.gpu.device import fetch
from backends.trt.memory import THREAD_LOCAL, CupyEngineDevice
from core.errors import HooklineError
from cuda_plugins import loading
from tests.gpu.devices import put
from tests.gpu.fake_cupy import CudaError, FakeCupy

NUMBER = 3


class GraphsOfCuda:
    """The functions of ``cupy.cuda.runtime`` around graphs, which write down what they are told."""

    def __init__(self, cupy: FakeCupy) -> None:
        self.cupy, self.told, self.broken = cupy, [], False
        names = ("streamBeginCapture", "streamEndCapture", "graphInstantiate", "graphDestroy", "graphLaunch")
        for name in (*names, "graphExecDestroy"):
            setattr(cupy.runtime, name, lambda *arguments, name=name: self.call(name, *arguments))

    def call(self, name: str, *arguments: int) -> int | None:
        assert self.cupy.on_device()
        self.told.append((name, *arguments))
        if name == "streamEndCapture" and self.broken:
            raise CudaError("cudaErrorStreamCaptureInvalidated")
        return {"streamEndCapture": 70, "graphInstantiate": 71}.get(name)


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch):
    loading.import_cupy.cache_clear()
    module = FakeCupy(NUMBER)
    monkeypatch.setitem(sys.modules, "cupy", module)
    yield module
    loading.import_cupy.cache_clear()


def test_a_graph_from_capture_to_the_end(cupy: FakeCupy) -> None:
    cuda, device = GraphsOfCuda(cupy), CupyEngineDevice(NUMBER)
    graph = device.capture(5, lambda: cuda.told.append(("work",)))
    assert cuda.told == [
        ("streamBeginCapture", 5, THREAD_LOCAL),
        ("work",),
        ("streamEndCapture", 5),
        ("graphInstantiate", 70),
        ("graphDestroy", 70),
    ]
    graph.launch(5)
    graph.free()
    assert cuda.told[5:] == [("graphLaunch", 71, 5), ("graphExecDestroy", 71)]


@pytest.mark.parametrize("broken", [True, False])
def test_a_capture_that_fails_is_ended(cupy: FakeCupy, broken: bool) -> None:
    cuda, device = GraphsOfCuda(cupy), CupyEngineDevice(NUMBER)
    cuda.broken = broken

    def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        device.capture(5, work)
    ends = [("streamEndCapture", 5)] if broken else [("streamEndCapture", 5), ("graphDestroy", 70)]
    assert cuda.told[1:] == ends


def test_copies_go_from_the_first_to_the_second(cupy: FakeCupy) -> None:
    device, copied = CupyEngineDevice(NUMBER), []
    cupy.runtime.memcpyDeviceToDevice = 3
    cupy.runtime.memcpyAsync = lambda *arguments: cupy.on_device() and copied.append(arguments)
    device.copy(100, 200, 8, 5)
    assert copied == [(200, 100, 8, 3, 5)]  # CUDA wants the target first


def test_arrays_of_others(cupy: FakeCupy) -> None:
    device, waited = CupyEngineDevice(NUMBER), []
    stream = device.new_stream()
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    array = put(cupy.device, values, stream)
    cupy.from_dlpack = lambda given: cupy.on_device() and given
    cupy.cuda.get_current_stream = lambda: SimpleNamespace(synchronize=lambda: waited.append(cupy.on_device()))
    np.testing.assert_array_equal(fetch(device.adopt(array), cupy.device, stream), values)
    assert waited == [True]


def test_a_gpu_without_memory(cupy: FakeCupy) -> None:
    device = CupyEngineDevice(NUMBER)

    def empty(shape: tuple[int, ...], dtype: object) -> None:
        raise MemoryError("Out of memory allocating 512 bytes")  # as CuPy's error, which is one

    cupy.empty = empty
    with pytest.raises(HooklineError, match=r"no memory left: Out of memory allocating 512 bytes; .*device=cuda:N"):
        device.empty((1,), np.uint8, device.new_stream())
