"""The devices of kernel tests, with the same methods: the CPU through the shim, a GPU through CuPy."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import UnavailableError
from cuda_plugins import loading
from cuda_plugins.launches import Launch
from tests.cuda_plugins import cpu


class Cpu:
    """The CPU: device memory is NumPy memory."""

    def put(self, array: np.ndarray) -> np.ndarray:
        memory = cpu.dirty(array.shape, array.dtype)
        memory[...] = array
        return memory

    def dirty(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        return cpu.dirty(shape, dtype)

    def address(self, array: np.ndarray) -> int:
        return array.ctypes.data

    def run(self, launch: Launch) -> None:
        cpu.run(launch)

    def get(self, array: np.ndarray) -> np.ndarray:
        return array


class Gpu:
    """A GPU: device memory is CuPy memory, and everything runs on one stream."""

    def __init__(self) -> None:
        try:
            self.cupy = loading.import_cupy()
        except UnavailableError as error:
            pytest.skip(str(error))
        self.stream = self.cupy.cuda.Stream(non_blocking=True)

    def put(self, array: np.ndarray):
        with self.stream:
            return self.cupy.asarray(np.ascontiguousarray(array))

    def dirty(self, shape: tuple[int, ...], dtype: type):
        return self.put(cpu.dirty(shape, dtype))

    def address(self, array) -> int:
        return array.data.ptr

    def run(self, launch: Launch) -> None:
        loading.launch(launch, self.stream.ptr)

    def get(self, array) -> np.ndarray:
        return self.cupy.asnumpy(array, stream=self.stream)


EVERY_DEVICE = [pytest.param(Cpu, id="cpu"), pytest.param(Gpu, id="gpu", marks=pytest.mark.gpu)]
