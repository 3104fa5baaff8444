"""The session of an engine: infers batches of any length, in host or device memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import overload

import numpy as np
from numpy.typing import NDArray

from backends.gpu.buffers import GrowingBuffer, PinnedBuffer
from backends.gpu.device import Bytes, view
from backends.trt.execution import Execution
from backends.trt.memory import EngineDevice
from backends.trt.opened_engine import OpenedEngine, Shape, shape_range
from core.artifacts import Engine
from core.kinds.session import DeviceArray

ALIGNMENT = 256
"""Alignment in bytes that TensorRT requires of addresses."""


@dataclass(frozen=True)
class Rows:
    """The first rows of a device array."""

    array: DeviceArray
    count: int

    @property
    def __cuda_array_interface__(self) -> Mapping[str, object]:
        interface = self.array.__cuda_array_interface__
        return {**interface, "shape": (self.count, *interface["shape"][1:])}


class _Staging:
    """A pinned host buffer and a device buffer, for one piece of a batch at a time."""

    def __init__(self, device: EngineDevice, dtype: np.dtype[np.number], stream: int) -> None:
        self._dtype, self._stream = dtype, stream
        self._pinned, self._buffer = PinnedBuffer(device), GrowingBuffer(device, stream)

    def send(self, images: NDArray[np.float32], rows: int) -> int:
        """Start the upload of ``images``, padded to ``rows`` rows with undefined values. Return the device address."""
        shape = (rows, *images.shape[1:])
        size = prod(shape) * self._dtype.itemsize
        self._pinned.reserve(size).view(self._dtype).reshape(shape)[: len(images)] = images
        address = self._buffer.address(size)
        self._pinned.upload(size, address, self._stream)
        return address


class TrtSession:
    """An opened engine with its own stream (:class:`core.kinds.session.DeviceSession`); ``place`` names the GPU.

    Args:
        opened: The deserialised engine.
        engine: The artifact.
        device: The device of the deserialised engine.
        graphs: Launch repeated work as CUDA graphs.

    Raises:
        HooklineError: There is not enough memory.
    """

    def __init__(self, opened: OpenedEngine, engine: Engine, device: EngineDevice, *, graphs: bool = True) -> None:
        self.facts, self.contract, self.layout = engine.facts, engine.contract, engine.layout
        self.score_threshold = engine.score_threshold
        self._memory = device
        self._opened: OpenedEngine | None = opened
        self.place, self.doubt = device.title, ""
        self.device, self.stream = device.number, device.new_stream()
        (name,) = opened.names(inputs=True)
        self.input_dtype = str(opened.dtype(name))
        self.shapes = shape_range(opened, name)
        self._execution: Execution | None = Execution(opened, device, self.stream, graphs=graphs)
        dtype = np.dtype(self.input_dtype)
        self._staging = [_Staging(device, dtype, self.stream) for _ in range(2)]
        self._padded = GrowingBuffer(device, self.stream)
        self._results: dict[str, Bytes] = {}

    @overload
    def run(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.number]]: ...

    @overload
    def run(self, images: DeviceArray) -> dict[str, DeviceArray]: ...

    def run(self, images: NDArray[np.float32] | DeviceArray) -> dict[str, NDArray[np.number]] | dict[str, DeviceArray]:
        """Infer one batch: a host array float32 [B, 3, H, W] or a device array (CuPy, PyTorch, any with DLPack).

        Returns:
            The outputs with B rows, in the same memory as the images. The next call may overwrite them.

        Raises:
            HooklineError: The engine does not accept this image size, the array is on another GPU, or TensorRT fails.
        """
        if isinstance(images, np.ndarray):
            return self._run_host(images)
        outputs = self.run_device(self._memory.adopt(images))
        self._memory.wait(self.stream)
        return outputs

    def run_device(self, images: DeviceArray) -> dict[str, DeviceArray]:
        """Enqueue one batch in device memory. It is copied only if it must be padded or aligned.

        Raises:
            HooklineError: As :meth:`run`.
            ValueError: The array is not contiguous, or has another element type.
        """
        if not isinstance(images, DeviceArray):
            images = self._memory.adopt(images)
        given = view(images)
        if given.dtype != self.input_dtype:
            raise ValueError(f"the engine accepts {self.input_dtype}, the array is {given.dtype}")
        self.shapes.check(given.shape)
        count, size = given.shape[0], given.size // given.shape[0]
        pieces = list(self.shapes.pieces(count))
        found: dict[str, DeviceArray] = {}
        for start, rows, padded in pieces:
            address = given.address + start * size
            if padded > rows or address % ALIGNMENT:
                address = self._copied(address, rows * size, padded * size)
            outputs = self._active.enqueue((padded, *given.shape[1:]), address)
            if len(pieces) == 1:
                return {name: Rows(array, rows) if padded > rows else array for name, array in outputs.items()}
            self._gather(found, outputs, count, start, rows)
        return found

    def _run_host(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.number]]:
        self.shapes.check(images.shape)
        execution, found = self._active, dict[str, NDArray[np.number]]()
        for number, (start, rows, padded) in enumerate(self.shapes.pieces(len(images))):
            shape = (padded, *images.shape[1:])
            staging = self._staging[number % 2]  # copy the next piece while this one runs
            outputs = execution.enqueue(shape, staging.send(images[start : start + rows], padded))
            for name, array in outputs.items():
                output = view(array)
                if name not in found:
                    found[name] = self._result(name, (len(images), *output.shape[1:]), output.dtype)
                self._memory.download(output.address, _flat(found[name][start : start + rows]), self.stream)
        self._memory.wait(self.stream)
        return found

    def _result(self, name: str, shape: Shape, dtype: np.dtype[np.number]) -> NDArray[np.number]:
        """Return pinned memory for an output; it is reused by later calls."""
        size = prod(shape) * dtype.itemsize
        if len(self._results.get(name, ())) < size:
            self._results[name] = self._memory.pinned(size)
        return self._results[name][:size].view(dtype).reshape(shape)

    def _copied(self, address: int, size: int, padded: int) -> int:
        """Copy images to the start of a buffer of ``padded`` bytes; the rest is undefined. Return its address."""
        target = self._padded.address(padded)
        self._memory.copy(address, target, size, self.stream)
        return target

    def _gather(
        self, found: dict[str, DeviceArray], outputs: Mapping[str, DeviceArray], count: int, start: int, rows: int
    ) -> None:
        """Copy the outputs of one piece to their rows in the outputs of the batch."""
        for name, array in outputs.items():
            output = view(array)
            if name not in found:
                found[name] = self._memory.empty((count, *output.shape[1:]), output.dtype, self.stream)
            size = output.size // output.shape[0]
            self._memory.copy(output.address, view(found[name]).address + start * size, rows * size, self.stream)

    @property
    def _active(self) -> Execution:
        if self._execution is None:
            raise RuntimeError("the session is closed")
        return self._execution

    def __enter__(self) -> TrtSession:
        return self

    def __exit__(self, *error: object) -> None:
        if self._execution is not None:
            self._execution.close()
        self._execution = None
        self._staging, self._results = [], {}
        self._padded.clear()
        if self._opened is not None:
            with self._memory.here():
                if self._opened.kernels:
                    self._opened.kernels.keep()
                runtime, self._opened = self._opened.runtime, None
                del runtime  # last: it must outlive the engine
        self._memory.trim()


def _flat(values: NDArray[np.number]) -> Bytes:
    """Return the bytes of a contiguous array."""
    return values.reshape(-1).view(np.uint8)
