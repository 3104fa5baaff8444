"""What a session needs of its GPU besides what the processor needs: copies on the device, and CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Protocol

from backends.gpu.cupy_device import CupyDevice
from backends.gpu.device import Device
from core.errors import HooklineError
from core.kinds.session import DeviceArray

THREAD_LOCAL = 1
"""``cudaStreamCaptureModeThreadLocal``: other threads may allocate and wait while this one captures."""


class Graph(Protocol):
    """Work of a stream that was recorded and can be begun again as a whole."""

    def launch(self, stream: int) -> None:
        """Begin the work, on the same memory as it was recorded with."""
        ...

    def free(self) -> None:
        """Give it back; it is not at work."""
        ...


class EngineDevice(Device, Protocol):
    """A device on which an engine runs.

    Attributes:
        number: As the CUDA runtime counts in this process.
        title: What messages call it.
    """

    number: int
    title: str

    def here(self) -> AbstractContextManager[None]:
        """Make it the current device of this thread; it may stay so."""
        ...

    def copy(self, source: int, target: int, size: int, stream: int) -> None:
        """Begin to copy bytes from one address of the device to another."""
        ...

    def adopt(self, array: object) -> DeviceArray:
        """The same memory of anybody's array, complete.

        Args:
            array: On this device; with ``__cuda_array_interface__`` or DLPack.

        Raises:
            HooklineError: It lies on another device.
            TypeError: It is no such array.
        """
        ...

    def trim(self) -> None:
        """Give memory that is free back to the driver, for whoever takes it from there."""
        ...

    def capture(self, stream: int, work: Callable[[], None]) -> Graph:
        """Record what ``work`` begins on ``stream``. Nothing of it is done by that.

        Raises:
            RuntimeError: The work does what cannot be recorded: it waits, or allocates.
        """
        ...


class CudaGraph:
    """A graph of the CUDA runtime.

    Args:
        device: On which it was recorded.
        runtime: ``cupy.cuda.runtime``.
        recorded: ``cudaGraph_t``; belongs to this object from now on.
    """

    def __init__(self, device: EngineDevice, runtime: ModuleType, recorded: int) -> None:
        self._device, self._runtime = device, runtime
        try:
            self._executable = runtime.graphInstantiate(recorded)
        finally:
            runtime.graphDestroy(recorded)

    def launch(self, stream: int) -> None:
        """As :class:`Graph` says."""
        with self._device.here():
            self._runtime.graphLaunch(self._executable, stream)

    def free(self) -> None:
        """As :class:`Graph` says."""
        with self._device.here():
            self._runtime.graphExecDestroy(self._executable)


class CupyEngineDevice(CupyDevice):
    """One GPU through CuPy: see :class:`EngineDevice`."""

    def __init__(self, number: int = 0, title: str = "") -> None:
        super().__init__(number, title)
        self.number = number

    def copy(self, source: int, target: int, size: int, stream: int) -> None:
        """Asynchronous."""
        self._copy(target, source, size, self._runtime.memcpyDeviceToDevice, stream)

    def adopt(self, array: object) -> DeviceArray:
        """By the array's own stream where it names one, else through DLPack, which lets CuPy's current stream wait."""
        with self.here():
            about = getattr(array, "__cuda_array_interface__", {})
            if "stream" not in about and hasattr(array, "__dlpack__"):
                array = self._cupy.from_dlpack(array)
            if not isinstance(array, DeviceArray):
                raise TypeError(f"{type(array).__name__} is no array of a GPU: it has no __dlpack__")
            about = array.__cuda_array_interface__
            place = self._runtime.pointerGetAttributes(about["data"][0]).device
            if place != self._number:
                raise HooklineError(
                    f"the array lies on CUDA's device {place}, the engine on {self._number}, {self.title}",
                    "move the array there, or open the engine on the other one",
                )
            if stream := about.get("stream"):
                self._runtime.streamSynchronize(stream)
        return array

    def trim(self) -> None:
        """Of CuPy's pool."""
        with self.here():
            self._cupy.get_default_memory_pool().free_all_blocks()

    def capture(self, stream: int, work: Callable[[], None]) -> Graph:
        """Through the CUDA runtime, whose errors are ``CUDARuntimeError``."""
        with self.here():
            self._runtime.streamBeginCapture(stream, THREAD_LOCAL)
            try:
                work()
            except BaseException:
                self._abandon(stream)
                raise
            return CudaGraph(self, self._runtime, self._runtime.streamEndCapture(stream))

    def _abandon(self, stream: int) -> None:
        """End a capture that has failed; CUDA tells the failure once more, which is known already."""
        try:
            self._runtime.graphDestroy(self._runtime.streamEndCapture(stream))
        except self._runtime.CUDARuntimeError:
            return
