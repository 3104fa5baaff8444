"""The processor ``cupy``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backends.cv.processor import OpenCvProcessor
from backends.gpu.device import Device, fetch
from backends.gpu.suppression import Suppressor
from backends.gpu.uploads import ImageUploads
from backends.nvidia.gpu import chosen_number
from core.detections import Detections, Filter, Letterbox
from core.kinds.head import Head
from core.kinds.session import DeviceArray, DeviceSession
from core.model_facts import InputContract


class CupyProcessor:
    """Letterbox on a GPU for any session; for one on a GPU too, see :meth:`for_session`.

    Outputs that lie in the host's memory are filtered there, as the processor ``opencv`` does: to carry all of
    them to the GPU would take longer.

    Args:
        device: Opens the GPU of a number. Called when it is first needed.
        word: What ``device=`` says; a session on a GPU is followed whatever it says.
        number: Finds the number of the GPU that the word means.
    """

    def __init__(
        self, device: Callable[[int], Device], word: str = "auto", number: Callable[[str], int] = chosen_number
    ) -> None:
        self.word = word
        self._open, self._number = device, number
        self._host = OpenCvProcessor()

    def prepare(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        contract: InputContract,
        *,
        upscale: bool = True,
        fit: tuple[int, int] | None = None,
    ) -> tuple[NDArray[np.float32], list[Letterbox]]:
        """Letterbox and normalise uint8 BGR [H, W, 3] pictures to float32 [B, 3, H, W] in the host's memory."""
        images, letterboxes = self._pictures.prepare(pictures, contract, upscale=upscale, fit=fit)
        return fetch(images, self._device, self._pictures.stream).view(np.float32), letterboxes

    def detect(
        self,
        outputs: Mapping[str, NDArray[np.number]],
        head: Head,
        letterboxes: Sequence[Letterbox],
        wanted: Filter,
    ) -> list[Detections]:
        """As the processor ``opencv``."""
        return self._host.detect(outputs, head, letterboxes, wanted)

    def on_device(self, device: str) -> CupyProcessor:
        """The processor for sessions on the host, on the GPU that ``device=`` chooses."""
        return CupyProcessor(self._open, device, self._number)

    def for_session(self, session: DeviceSession) -> SessionProcessor:
        """The processor for a session on a GPU: nothing but pictures and boxes passes through the host."""
        return SessionProcessor(self._open(session.device), session)

    @cached_property
    def _device(self) -> Device:
        return self._open(self._number(self.word))

    @cached_property
    def _pictures(self) -> ImageUploads:
        return ImageUploads(self._device, half=False)


class SessionProcessor:
    """Letterbox and NMS in the memory of a session's device.

    Pictures are prepared on a stream of their own, since another thread does it while the session works or captures a
    graph; boxes are found on the session's stream, behind the inference.
    """

    def __init__(self, device: Device, session: DeviceSession) -> None:
        self._device, self._session = device, session
        self._pictures = ImageUploads(device, half=session.input_dtype == "float16")
        self._suppressor = Suppressor(device, session.stream)
        self._host = OpenCvProcessor()

    def prepare(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        contract: InputContract,
        *,
        upscale: bool = True,
        fit: tuple[int, int] | None = None,
    ) -> tuple[DeviceArray, list[Letterbox]]:
        """Letterbox and normalise uint8 BGR [H, W, 3] pictures to [B, 3, H, W] of the session's type, on the device."""
        images, letterboxes = self._pictures.prepare(pictures, contract, upscale=upscale, fit=fit)
        self._device.wait(self._pictures.stream)
        return images, letterboxes

    def detect(
        self,
        outputs: Mapping[str, NDArray[np.number] | DeviceArray],
        head: Head,
        letterboxes: Sequence[Letterbox],
        wanted: Filter,
    ) -> list[Detections]:
        """Filter, NMS and rescaling on the device; before, where the head is not decoded, its ``device_decode``.

        On the host, after a download: outputs that lie there, a head for which there is no kernel, ``multi_label``,
        outputs in float16 behind a decode, and class numbers that the kernel does not hold.
        """
        if self._suppressor.holds(outputs, head, wanted):
            return self._suppressor.detect(outputs, head, letterboxes, wanted)
        return self._host.detect(self._downloaded(outputs), head, letterboxes, wanted)

    def _downloaded(self, outputs: Mapping[str, NDArray[np.number] | DeviceArray]) -> dict[str, NDArray[np.number]]:
        return {
            name: fetch(value, self._device, self._session.stream) if isinstance(value, DeviceArray) else value
            for name, value in outputs.items()
        }
