"""CuPy as far as ``CupyDevice`` and ``loading`` use it, over the device of the tests: another call on it fails.

Signatures are those of CuPy 14. As there, the current device and stream belong to a thread.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from cuda_plugins import sources
from cuda_plugins.launches import Launch
from tests.gpu.devices import ShimDevice


class CudaError(Exception):
    pass


class FakeCupy(ModuleType):
    """``number`` is the device on which everything must happen."""

    def __init__(self, number: int) -> None:
        super().__init__("cupy")
        self.number, self.device, self.here = number, ShimDevice(), threading.local()
        self.events: dict[int, Any] = {}
        self.compiled: list[str] = []
        self.pinned: list[np.ndarray] = []
        self.runtime = SimpleNamespace(
            CUDARuntimeError=CudaError,
            getDeviceCount=lambda: number + 1,
            getDevice=lambda: getattr(self.here, "device", 0),
            memcpyHostToDevice=1,
            memcpyDeviceToHost=2,
            memcpyAsync=self.copy,
            streamSynchronize=lambda stream: self.on_device() and self.device.wait(stream),
            eventRecord=self.record,
        )
        self.cuda = SimpleNamespace(
            runtime=self.runtime,
            Device=self.current_device,
            Stream=self.new_stream,
            ExternalStream=self.external_stream,
            Event=self.new_event,
            alloc_pinned_memory=self.alloc_pinned,
        )

    def on_device(self) -> bool:
        assert self.runtime.getDevice() == self.number, "another device is the current one"
        return True

    @contextmanager
    def current_device(self, number: int):
        before = self.runtime.getDevice()
        self.here.device = number
        yield
        self.here.device = before

    @contextmanager
    def external_stream(self, ptr: int, device_id: int = -1):
        assert device_id in (-1, self.number)
        self.here.stream = ptr
        yield
        self.here.stream = 0

    def new_stream(self, null: bool = False, non_blocking: bool = False) -> Any:
        assert self.on_device()
        assert non_blocking
        return SimpleNamespace(ptr=self.device.new_stream())

    def new_event(self, block: bool = False, disable_timing: bool = False) -> Any:
        assert self.on_device()
        ptr = len(self.events) + 1
        self.events[ptr] = None

        def synchronize() -> None:
            self.events[ptr].wait()

        return SimpleNamespace(ptr=ptr, synchronize=synchronize)

    def record(self, event: int, stream: int) -> None:
        assert self.on_device()
        self.events[event] = self.device.mark(stream)

    def alloc_pinned(self, size: int) -> np.ndarray:
        assert self.on_device()
        self.pinned.append(self.device.pinned(size + 100))  # a pool gives more than was asked for
        return self.pinned[-1]

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        assert self.on_device()
        return self.device.empty(shape, dtype, self.here.stream)

    def copy(self, target: int, source: int, size: int, kind: int, stream: int) -> None:
        assert self.on_device()
        on_host = source if kind == self.runtime.memcpyHostToDevice else target
        memory = np.ctypeslib.as_array((np.ctypeslib.ctypes.c_uint8 * size).from_address(on_host))
        if kind == self.runtime.memcpyHostToDevice:
            assert self.is_pinned(source)
            self.device.upload(memory, target, stream)
        else:
            assert not self.is_pinned(source)
            self.device.download(source, memory, stream)

    def is_pinned(self, address: int) -> bool:
        return any(block.ctypes.data <= address < block.ctypes.data + block.size for block in self.pinned)

    def RawModule(self, *, code: str, options: tuple[str, ...]) -> Any:
        assert options == sources.OPTIONS
        (name,) = (name for name in sources.names() if sources.source(name) == code)
        return SimpleNamespace(
            compile=lambda: self.compiled.append(name), get_function=lambda kernel: Kernel(self, name, kernel)
        )


class Kernel:
    """A ``RawKernel``."""

    num_regs = 40

    def __init__(self, cupy: FakeCupy, source: str, name: str) -> None:
        self.cupy, self.source, self.name = cupy, source, name

    def __call__(self, grid: Any, block: Any, arguments: tuple[np.ndarray]) -> None:
        assert self.cupy.on_device()
        (argument,) = arguments
        self.cupy.device.launch(Launch(self.source, self.name, grid, block, argument), self.cupy.here.stream)
