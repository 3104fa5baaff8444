"""The device of an engine: the device of a processor, plus device copies and CUDA graphs."""

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
"""``cudaStreamCaptureModeThreadLocal``: other threads may allocate and synchronise during a capture."""


class Graph(Protocol):
    """Recorded work of a stream that can be launched as a whole."""

    def launch(self, stream: int) -> None:
        """Launch the work on the memory it was recorded with."""
        ...

    def free(self) -> None:
        """Free the graph; its work must have finished."""
        ...


class EngineDevice(Device, Protocol):
    """The device of an engine.

    Attributes:
        number: CUDA device number in this process.
        title: Name in messages.
    """

    number: int
    title: str

    def here(self) -> AbstractContextManager[None]:
        """Make this the current device of the thread; it may stay current."""
        ...

    def copy(self, source: int, target: int, size: int, stream: int) -> None:
        """Start copying bytes between two addresses on the device."""
        ...

    def adopt(self, array: object) -> DeviceArray:
        """Return an array of another library as a device array of the same memory, after its pending work.

        Args:
            array: An array on this device with ``__cuda_array_interface__`` or DLPack.

        Raises:
            HooklineError: The array is on another device.
            TypeError: The array has neither interface.
        """
        ...

    def trim(self) -> None:
        """Return unused memory to the driver, for other programs."""
        ...

    def capture(self, stream: int, work: Callable[[], None]) -> Graph:
        """Record the work that ``work`` enqueues on ``stream``, without running it.

        Raises:
            RuntimeError: The work cannot be recorded because it synchronises or allocates.
        """
        ...


class CudaGraph:
    """A graph of the CUDA runtime.

    Args:
        device: The device it was recorded on.
        runtime: ``cupy.cuda.runtime``.
        recorded: The ``cudaGraph_t``; this object takes ownership.
    """

    def __init__(self, device: EngineDevice, runtime: ModuleType, recorded: int) -> None:
        self._device, self._runtime = device, runtime
        try:
            self._executable = runtime.graphInstantiate(recorded)
        finally:
            runtime.graphDestroy(recorded)

    def launch(self, stream: int) -> None:
        """See :class:`Graph`."""
        with self._device.here():
            self._runtime.graphLaunch(self._executable, stream)

    def free(self) -> None:
        """See :class:`Graph`."""
        with self._device.here():
            self._runtime.graphExecDestroy(self._executable)


class CupyEngineDevice(CupyDevice):
    """An :class:`EngineDevice` through CuPy."""

    def __init__(self, number: int = 0, title: str = "") -> None:
        super().__init__(number, title)
        self.number = number

    def copy(self, source: int, target: int, size: int, stream: int) -> None:
        """Copy asynchronously."""
        self._copy(target, source, size, self._runtime.memcpyDeviceToDevice, stream)

    def adopt(self, array: object) -> DeviceArray:
        """Wait for the array's stream if it names one; otherwise use DLPack, which synchronises with CuPy's stream."""
        with self.here():
            interface = getattr(array, "__cuda_array_interface__", {})
            if "stream" not in interface and hasattr(array, "__dlpack__"):
                array = self._cupy.from_dlpack(array)
            if not isinstance(array, DeviceArray):
                raise TypeError(f"{type(array).__name__} is not a GPU array: it has no __dlpack__")
            interface = array.__cuda_array_interface__
            owner = self._runtime.pointerGetAttributes(interface["data"][0]).device
            if owner != self._number:
                raise HooklineError(
                    f"the array is on CUDA device {owner}, but the engine is on device {self._number} ({self.title})",
                    "move the array to the device of the engine, or open the engine on the other device",
                )
            if stream := interface.get("stream"):
                self._runtime.streamSynchronize(stream)
        return array

    def trim(self) -> None:
        """Free the unused blocks of CuPy's memory pool."""
        with self.here():
            self._cupy.get_default_memory_pool().free_all_blocks()

    def capture(self, stream: int, work: Callable[[], None]) -> Graph:
        """Capture through the CUDA runtime, which raises ``CUDARuntimeError``."""
        with self.here():
            self._runtime.streamBeginCapture(stream, THREAD_LOCAL)
            try:
                work()
            except BaseException:
                self._abandon(stream)
                raise
            return CudaGraph(self, self._runtime, self._runtime.streamEndCapture(stream))

    def _abandon(self, stream: int) -> None:
        """End a failed capture. CUDA reports the failure a second time, which is ignored."""
        try:
            self._runtime.graphDestroy(self._runtime.streamEndCapture(stream))
        except self._runtime.CUDARuntimeError:
            return
