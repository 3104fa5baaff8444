"""The session of an engine: batches of any length, of host or device memory, cut and filled to the profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import overload

import numpy as np
from numpy.typing import NDArray

from backends.gpu.device import Bytes, Mark, view
from backends.trt.execution import Execution, Opened, Shape
from backends.trt.memory import EngineDevice
from core.artifacts import Engine
from core.errors import HooklineError
from core.kinds.session import DeviceArray

ALIGNMENT = 256
"""Bytes to which TensorRT wants addresses aligned."""


@dataclass(frozen=True)
class Profile:
    """Sizes of the input that an engine takes; both ends count.

    Attributes:
        least, greatest: [B, 3, H, W].
    """

    least: Shape
    greatest: Shape

    def check(self, shape: Shape) -> None:
        """Refuse a batch of pictures of another size. Batches of any length are cut and filled.

        Raises:
            HooklineError: Names the sizes, and how to build for others.
        """
        inside = len(shape) == 4 and all(
            least <= size <= greatest
            for least, size, greatest in zip(self.least[1:], shape[1:], self.greatest[1:], strict=True)
        )
        if inside and shape[0]:
            return
        if self.least[1:] == self.greatest[1:]:
            takes = f"[any, {', '.join(map(str, self.least[1:]))}]"
        else:
            takes = f"[any, {', '.join(map(str, self.least[1:]))}] to [any, {', '.join(map(str, self.greatest[1:]))}]"
        raise HooklineError(
            f"a batch of shape {list(shape)} does not fit the engine, which takes {takes}",
            "set imgsz= to a size between, or build with that size: build.imgsz={min: ..., opt: ..., max: ...}",
        )

    def pieces(self, count: int) -> Iterator[tuple[int, int, int]]:
        """First picture, pictures, and rows to infer of each piece that a batch of ``count`` is cut into."""
        for start in range(0, count, self.greatest[0]):
            rows = min(count - start, self.greatest[0])
            yield start, rows, max(rows, self.least[0])


@dataclass(frozen=True)
class Rows:
    """The first rows of an array of the device."""

    array: DeviceArray
    count: int

    @property
    def __cuda_array_interface__(self) -> Mapping[str, object]:
        about = self.array.__cuda_array_interface__
        return {**about, "shape": (self.count, *about["shape"][1:])}


class _Room:
    """Memory of the device that grows to what was needed most."""

    def __init__(self, device: EngineDevice, stream: int) -> None:
        self._device, self._stream = device, stream
        self._memory = device.empty((0,), np.uint8, stream)

    def address(self, size: int) -> int:
        """Where ``size`` bytes are free."""
        if view(self._memory).size < size:
            self._memory = self._device.empty((size,), np.uint8, self._stream)
        return view(self._memory).address

    def clear(self) -> None:
        """Give it back."""
        self._memory = self._device.empty((0,), np.uint8, self._stream)


class _Staging:
    """A pinned buffer and its place on the device, for one piece of a batch at a time."""

    def __init__(self, device: EngineDevice, dtype: np.dtype[np.number], stream: int) -> None:
        self._device, self._dtype, self._stream = device, dtype, stream
        self._room = _Room(device, stream)
        self._pinned: Bytes = np.empty(0, np.uint8)
        self._busy: Mark | None = None

    def send(self, images: NDArray[np.float32], rows: int) -> int:
        """Begin the upload of ``rows`` rows, ``images`` first; what fills up is of no matter. Its address."""
        if self._busy:
            self._busy.wait()
        shape = (rows, *images.shape[1:])
        size = prod(shape) * self._dtype.itemsize
        if len(self._pinned) < size:
            self._pinned = self._device.pinned(size)
        self._pinned[:size].view(self._dtype).reshape(shape)[: len(images)] = images
        address = self._room.address(size)
        self._device.upload(self._pinned[:size], address, self._stream)
        self._busy = self._device.mark(self._stream)
        return address


class TrtSession:
    """An opened engine on its own stream (:class:`core.kinds.session.DeviceSession`); ``place`` names the GPU.

    Args:
        opened: The deserialised engine.
        engine: What it is.
        device: Where it was deserialised.
        graphs: Launch repeated work as CUDA graphs.

    Raises:
        HooklineError: There is not enough memory.
    """

    def __init__(self, opened: Opened, engine: Engine, device: EngineDevice, *, graphs: bool = True) -> None:
        self.facts, self.contract, self.layout = engine.facts, engine.contract, engine.layout
        self.score_threshold = engine.score_threshold
        self._engine, self._memory, self._graphs = engine, device, graphs
        self._opened: Opened | None = opened
        self.place, self.doubt = device.title, ""
        self.device, self.stream = device.number, device.new_stream()
        (name,) = opened.names(inputs=True)
        self.input_dtype = str(opened.dtype(name))
        self.profile = profile_of(opened, name)
        self._execution: Execution | None = Execution(opened, device, self.stream, graphs=graphs)
        dtype = np.dtype(self.input_dtype)
        self._staging = [_Staging(device, dtype, self.stream) for _ in range(2)]
        self._filled = _Room(device, self.stream)
        self._results: dict[str, Bytes] = {}

    def another(self) -> TrtSession:
        """A session of the same engine with a context and a stream of its own, for another thread."""
        if self._opened is None:
            raise RuntimeError("the session is closed")
        return TrtSession(self._opened, self._engine, self._memory, graphs=self._graphs)

    @overload
    def run(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.number]]: ...

    @overload
    def run(self, images: DeviceArray) -> dict[str, DeviceArray]: ...

    def run(self, images: NDArray[np.float32] | DeviceArray) -> dict[str, NDArray[np.number]] | dict[str, DeviceArray]:
        """Infer one batch: float32 [B, 3, H, W] of the host, or an array of the device (CuPy, torch, any with DLPack).

        Returns:
            The outputs with B rows, in the same memory as the images; they may be overwritten by the next call.

        Raises:
            HooklineError: The engine does not take pictures of this size, the array lies on another GPU, or TensorRT
                fails; says why.
        """
        if isinstance(images, np.ndarray):
            return self._run_host(images)
        outputs = self.run_device(self._memory.adopt(images))
        self._memory.wait(self.stream)
        return outputs

    def run_device(self, images: DeviceArray) -> dict[str, DeviceArray]:
        """Enqueue one batch that lies on the device; nothing is copied where the profile holds it as it is.

        Raises:
            HooklineError: As :meth:`run`.
            ValueError: The array is not contiguous, or of another type.
        """
        if not isinstance(images, DeviceArray):
            images = self._memory.adopt(images)
        given = view(images)
        if given.dtype != self.input_dtype:
            raise ValueError(f"the engine takes {self.input_dtype}, the array is {given.dtype}")
        self.profile.check(given.shape)
        count, size = given.shape[0], given.size // given.shape[0]
        pieces = list(self.profile.pieces(count))
        found: dict[str, DeviceArray] = {}
        for start, rows, padded in pieces:
            address = given.address + start * size
            if padded > rows or address % ALIGNMENT:
                address = self._copied(address, rows * size, padded * size)
            outputs = self._at_work.enqueue((padded, *given.shape[1:]), address)
            if len(pieces) == 1:
                return {name: Rows(array, rows) if padded > rows else array for name, array in outputs.items()}
            self._gather(found, outputs, count, start, rows)
        return found

    def _run_host(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.number]]:
        self.profile.check(images.shape)
        execution, found = self._at_work, dict[str, NDArray[np.number]]()
        for number, (start, rows, padded) in enumerate(self.profile.pieces(len(images))):
            shape = (padded, *images.shape[1:])
            staging = self._staging[number % 2]  # the next piece is copied while this one is at work
            outputs = execution.enqueue(shape, staging.send(images[start : start + rows], padded))
            for name, array in outputs.items():
                about = view(array)
                if name not in found:
                    found[name] = self._result(name, (len(images), *about.shape[1:]), about.dtype)
                self._memory.download(about.address, _flat(found[name][start : start + rows]), self.stream)
        self._memory.wait(self.stream)
        return found

    def _result(self, name: str, shape: Shape, dtype: np.dtype[np.number]) -> NDArray[np.number]:
        """Pinned memory that is kept from call to call."""
        size = prod(shape) * dtype.itemsize
        if len(self._results.get(name, ())) < size:
            self._results[name] = self._memory.pinned(size)
        return self._results[name][:size].view(dtype).reshape(shape)

    def _copied(self, address: int, size: int, room: int) -> int:
        """Where a copy of images is, at the start of ``room`` bytes; what follows them is of no matter."""
        target = self._filled.address(room)
        self._memory.copy(address, target, size, self.stream)
        return target

    def _gather(
        self, found: dict[str, DeviceArray], outputs: Mapping[str, DeviceArray], count: int, start: int, rows: int
    ) -> None:
        """Copy the outputs of one piece to their rows among those of the whole batch."""
        for name, array in outputs.items():
            about = view(array)
            if name not in found:
                found[name] = self._memory.empty((count, *about.shape[1:]), about.dtype, self.stream)
            size = about.size // about.shape[0]
            self._memory.copy(about.address, view(found[name]).address + start * size, rows * size, self.stream)

    @property
    def _at_work(self) -> Execution:
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
        self._filled.clear()
        if self._opened is not None:
            with self._memory.here():
                if self._opened.kernels:
                    self._opened.kernels.keep()
                runtime, self._opened = self._opened.runtime, None
                del runtime  # the last: it must outlive the engine
        self._memory.trim()


def profile_of(opened: Opened, name: str) -> Profile:
    """What an engine takes as its input ``name``: its first profile, or its one shape."""
    shape = tuple(opened.engine.get_tensor_shape(name))
    if min(shape) >= 0:
        return Profile(shape, shape)
    least, _, greatest = (tuple(size) for size in opened.engine.get_tensor_profile_shape(name, 0))
    return Profile(least, greatest)


def _flat(values: NDArray[np.number]) -> Bytes:
    """The bytes of contiguous memory."""
    return values.reshape(-1).view(np.uint8)
