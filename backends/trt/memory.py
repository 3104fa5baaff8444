"""What a session needs of its GPU besides what the processor needs: copies on the device, and CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from backends.gpu.cupy_device import CupyDevice
from backends.gpu.device import Device
from core.parts import DeviceArray

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
    """

    number: int

    def here(self) -> AbstractContextManager[Any]:
        """Make it the current device of this thread while the block runs."""
        ...

    def copy(self, source: int, target: int, size: int, stream: int) -> None:
        """Begin to copy bytes from one address of the device to another."""
        ...

    def adopt(self, array: Any) -> DeviceArray:
        """The same memory, of any array of this device that speaks DLPack."""
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

    def __init__(self, device: EngineDevice, runtime: Any, recorded: int) -> None:
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

    def __init__(self, number: int = 0) -> None:
        super().__init__(number)
        self.number = number

    def here(self) -> AbstractContextManager[Any]:
        """As CuPy's own context manager."""
        found: AbstractContextManager[Any] = self._here()
        return found

    def copy(self, source: int, target: int, size: int, stream: int) -> None:
        """Asynchronous."""
        self._copy(target, source, size, self._runtime.memcpyDeviceToDevice, stream)

    def adopt(self, array: Any) -> DeviceArray:
        """As an array of CuPy, for which its owner lets CuPy's current stream, the default one, wait."""
        with self._here():
            adopted: DeviceArray = self._cupy.from_dlpack(array)
            self._cupy.cuda.get_current_stream().synchronize()
        return adopted

    def capture(self, stream: int, work: Callable[[], None]) -> Graph:
        """Through the CUDA runtime, whose errors are ``CUDARuntimeError``."""
        with self._here():
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
