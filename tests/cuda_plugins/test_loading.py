"""The CuPy calls of a launch, with a CuPy that records them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from core.errors import UnavailableError
from cuda_plugins import loading, nvrtc
from cuda_plugins.launches import Launch

LAUNCH = Launch("yolo_layer", "yolo_layer_float", (4, 2, 1), (512, 1, 1), np.zeros(1, np.int32))


class CudaError(Exception):
    pass


class Cupy(ModuleType):
    """Records compilations and launches; any other call fails."""

    def __init__(self) -> None:
        super().__init__("cupy")
        self.seen: list[tuple] = []
        self.device, self.devices, self.stream = 0, 2, None
        runtime = SimpleNamespace(
            getDevice=lambda: self.device, getDeviceCount=lambda: self.devices, CUDARuntimeError=CudaError
        )
        self.cuda = SimpleNamespace(runtime=runtime, Stream=SimpleNamespace(from_external=self.foreign))

    def RawModule(self, *, code, options):
        def compiled():
            self.seen.append(("compile", self.device))

        assert code == nvrtc.source("yolo_layer")
        assert options == nvrtc.OPTIONS
        return SimpleNamespace(compile=compiled, get_function=self.function)

    def function(self, name):
        cupy = self

        class Kernel:
            @property
            def num_regs(self):
                cupy.seen.append(("load", name))
                return 40

            def __call__(self, grid, block, arguments):
                cupy.seen.append((name, grid, block, arguments, cupy.stream))

        return Kernel()

    @contextmanager
    def foreign(self, stream):
        version, self.stream = stream.__cuda_stream__()
        assert version == 0
        yield
        self.stream = None


def forget():
    for cache in (loading.import_cupy, loading._function, loading._module):
        cache.cache_clear()


@pytest.fixture
def cupy(monkeypatch):
    forget()
    module = Cupy()
    monkeypatch.setitem(sys.modules, "cupy", module)
    yield module
    forget()


def test_a_launch_goes_to_the_stream_with_its_argument_by_value(cupy):
    loading.launch(LAUNCH, 77)
    assert cupy.seen == [
        ("compile", 0),
        ("load", "yolo_layer_float"),
        ("yolo_layer_float", (4, 2, 1), (512, 1, 1), (LAUNCH.argument,), 77),
    ]


def test_before_cupy_14_streams_are_wrapped_otherwise(cupy):
    cupy.cuda.Stream = object

    @contextmanager
    def external(address):
        cupy.stream = address
        yield

    cupy.cuda.ExternalStream = external
    loading.launch(LAUNCH, 77)
    assert cupy.seen[-1][-1] == 77


def test_after_loading_nothing_but_the_launch_is_done(cupy):
    loading.load("yolo_layer", "yolo_layer_float")
    cupy.seen.clear()
    loading.launch(LAUNCH, 5)
    loading.launch(LAUNCH, 6)
    assert [what[0] for what in cupy.seen] == ["yolo_layer_float"] * 2


def test_every_device_has_code_of_its_own_and_both_kernels_one_module(cupy):
    for cupy.device in (0, 1, 0):
        for kernel in ("yolo_layer_float", "yolo_layer_half"):
            loading.load("yolo_layer", kernel)
    assert [what for what in cupy.seen if what[0] == "compile"] == [("compile", 0), ("compile", 1)]
    assert sum(what[0] == "load" for what in cupy.seen) == 4


def test_without_cupy(cupy, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(UnavailableError, match=r"need the package CuPy.*pip install 'cupy-cuda13x\[ctk\]'"):
        loading.launch(LAUNCH, 0)


def test_without_a_gpu(cupy):
    cupy.devices = 0
    with pytest.raises(UnavailableError, match="finds no GPU; check CUDA_VISIBLE_DEVICES"):
        loading.launch(LAUNCH, 0)


def test_without_a_driver(cupy):
    def count():
        raise CudaError("cudaErrorInsufficientDriver")

    cupy.cuda.runtime.getDeviceCount = count
    with pytest.raises(UnavailableError, match=r"no usable GPU \(cudaErrorInsufficientDriver\)"):
        loading.launch(LAUNCH, 0)
