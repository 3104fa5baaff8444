"""A device of NumPy memory that runs kernels on the CPU, and sessions on a device.

Work is queued when it is started and done when somebody waits for it, so that code that forgets to wait, or changes
memory during a transfer, gives wrong results.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backends.gpu.cupy_device import CupyDevice
from backends.gpu.device import fetch, view
from core.errors import UnavailableError
from core.model_facts import DECODED, InputContract
from tests.cuda_plugins import cpu

_SHIM = threading.Lock()
"""The shim has global state, so threads take turns."""


def _run(launch: Any) -> None:
    with _SHIM:
        cpu.run(launch)


class ShimArray:
    """An array as of CuPy: only its address is public."""

    def __init__(self, memory: np.ndarray) -> None:
        self._memory = memory
        self.shape, self.dtype = memory.shape, memory.dtype

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self._memory.__array_interface__, "version": 3}


class ShimMark:
    def __init__(self, work: list[Callable[[], None]]) -> None:
        self.work, self.upto = work, len(work)

    def wait(self) -> None:
        """Do the work that was queued before the mark; finished work is replaced by no-ops."""
        for position in range(self.upto):
            todo, self.work[position] = self.work[position], lambda: None
            todo()


class ShimDevice:
    """See :class:`backends.gpu.device.Device`. ``launched`` lists the kernels in launch order."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.launched: list[tuple[str, int]] = []
        self.loaded: set[tuple[str, str]] = set()
        self._work: dict[int, list[Callable[[], None]]] = {}
        self._memory: list[np.ndarray] = []

    def new_stream(self) -> int:
        self._work[len(self._work) + 1] = []
        return len(self._work)

    def empty(self, shape: tuple[int, ...], dtype: Any, stream: int) -> ShimArray:
        assert stream in self._work
        self._memory.append(cpu.dirty(shape, dtype))  # a pool gives nothing back before the stream is done with it
        return ShimArray(self._memory[-1])

    def pinned(self, size: int) -> np.ndarray:
        self._memory.append(cpu.dirty((size,), np.uint8))
        return self._memory[-1]

    def upload(self, source: np.ndarray, address: int, stream: int) -> None:
        assert source.flags.c_contiguous
        self._work[stream].append(lambda: ctypes.memmove(address, source.ctypes.data, source.nbytes))

    def download(self, address: int, target: np.ndarray, stream: int) -> None:
        assert target.flags.c_contiguous
        self._work[stream].append(lambda: ctypes.memmove(target.ctypes.data, address, target.nbytes))

    def load(self, source: str, kernel: str) -> None:
        self.loaded.add((source, kernel))

    def launch(self, launch: Any, stream: int) -> None:
        self.launched.append((launch.kernel, stream))
        self._work[stream].append(lambda: _run(launch))

    def mark(self, stream: int) -> ShimMark:
        return ShimMark(self._work[stream])

    def wait(self, stream: int) -> None:
        self.mark(stream).wait()


class FakeSession:
    """A session on a device; ``infer`` computes outputs from images, both in host memory."""

    score_threshold = 0.0

    def __init__(
        self,
        device: Any,
        facts: Any,
        infer: Callable[[np.ndarray], dict[str, np.ndarray]],
        *,
        layout: str = DECODED,
        input_dtype: str = "float32",
    ) -> None:
        self.memory, self.facts, self.layout, self.input_dtype = device, facts, layout, input_dtype
        self.contract = InputContract(1, 640, 640, dynamic=("batch",))
        self.device, self.stream = 0, device.new_stream()
        self._infer = infer

    def run(self, images: Any) -> dict[str, Any]:
        if isinstance(images, np.ndarray):
            return self._infer(images)
        outputs = self.run_device(images)
        self.memory.wait(self.stream)
        return outputs

    def run_device(self, images: Any) -> dict[str, Any]:
        assert view(images).dtype == self.input_dtype
        outputs = self._infer(fetch(images, self.memory, self.stream))
        return {name: put(self.memory, value, self.stream) for name, value in outputs.items()}

    def __enter__(self) -> FakeSession:
        return self

    def __exit__(self, *error: object) -> None: ...


def put(device: Any, values: np.ndarray, stream: int) -> Any:
    """Copy an array to the device."""
    values = np.ascontiguousarray(values)
    array = device.empty(values.shape, values.dtype, stream)
    device.upload(values.reshape(-1).view(np.uint8), view(array).address, stream)
    device.wait(stream)
    return array


def open_gpu() -> CupyDevice:
    """Return a GPU, or skip the test."""
    try:
        return CupyDevice(0)
    except UnavailableError as error:
        pytest.skip(str(error))


EVERY_DEVICE = [pytest.param(ShimDevice, id="cpu"), pytest.param(open_gpu, id="gpu", marks=pytest.mark.gpu)]
