"""The processor ``cupy``: pre- and post-processing on a GPU."""

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
    """Letterbox on a GPU, for any session. For a session on a GPU, use :meth:`for_session`.

    Outputs in host memory are post-processed on the host, as by the processor ``opencv``: to upload all of them would
    take longer.

    Args:
        open_device: Opens the GPU with a CUDA device number. Called on first use.
        choice: The value of ``device=``; a session on a GPU determines its GPU.
        number_of: Returns the CUDA device number for ``choice``.
    """

    def __init__(
        self,
        open_device: Callable[[int], Device],
        choice: str = "auto",
        number_of: Callable[[str], int] = chosen_number,
    ) -> None:
        self.choice = choice
        self._open, self._number_of = open_device, number_of
        self._host = OpenCvProcessor()

    def prepare(
        self,
        images: Sequence[NDArray[np.uint8]],
        contract: InputContract,
        *,
        upscale: bool = True,
        fit: tuple[int, int] | None = None,
    ) -> tuple[NDArray[np.float32], list[Letterbox]]:
        """Letterbox and normalise uint8 BGR [H, W, 3] images to float32 [B, 3, H, W] in host memory."""
        inputs, letterboxes = self._uploads.prepare(images, contract, upscale=upscale, fit=fit)
        return fetch(inputs, self._device, self._uploads.stream).view(np.float32), letterboxes

    def detect(
        self,
        outputs: Mapping[str, NDArray[np.number]],
        head: Head,
        letterboxes: Sequence[Letterbox],
        wanted: Filter,
    ) -> list[Detections]:
        """Post-process on the host, as the processor ``opencv``."""
        return self._host.detect(outputs, head, letterboxes, wanted)

    def on_device(self, device: str) -> CupyProcessor:
        """Return a processor for sessions on the host, on the GPU that ``device=`` names."""
        return CupyProcessor(self._open, device, self._number_of)

    def for_session(self, session: DeviceSession) -> SessionProcessor:
        """Return a processor for a session on a GPU: only images and boxes pass through the host."""
        return SessionProcessor(self._open(session.device), session)

    @cached_property
    def _device(self) -> Device:
        return self._open(self._number_of(self.choice))

    @cached_property
    def _uploads(self) -> ImageUploads:
        return ImageUploads(self._device, half=False)


class SessionProcessor:
    """Letterbox and NMS in the device memory of a session.

    Images are prepared on a separate stream, because another thread prepares them while the session infers or captures
    a graph. Post-processing runs on the stream of the session, after the inference.
    """

    def __init__(self, device: Device, session: DeviceSession) -> None:
        self._device, self._session = device, session
        self._uploads = ImageUploads(device, half=session.input_dtype == "float16")
        self._suppressor = Suppressor(device, session.stream)
        self._host = OpenCvProcessor()

    def prepare(
        self,
        images: Sequence[NDArray[np.uint8]],
        contract: InputContract,
        *,
        upscale: bool = True,
        fit: tuple[int, int] | None = None,
    ) -> tuple[DeviceArray, list[Letterbox]]:
        """Letterbox and normalise uint8 BGR [H, W, 3] images to [B, 3, H, W] of the session's type, on the device."""
        inputs, letterboxes = self._uploads.prepare(images, contract, upscale=upscale, fit=fit)
        self._device.wait(self._uploads.stream)
        return inputs, letterboxes

    def detect(
        self,
        outputs: Mapping[str, NDArray[np.number] | DeviceArray],
        head: Head,
        letterboxes: Sequence[Letterbox],
        wanted: Filter,
    ) -> list[Detections]:
        """Decode with ``device_decode`` if needed, filter, apply NMS and rescale on the device.

        Runs on the host, after a download, for outputs in host memory, a head without a kernel, ``multi_label``,
        decoded outputs in float16, and class numbers beyond the kernel's limit.
        """
        if self._suppressor.supports(outputs, head, wanted):
            return self._suppressor.detect(outputs, head, letterboxes, wanted)
        return self._host.detect(self._downloaded(outputs), head, letterboxes, wanted)

    def _downloaded(self, outputs: Mapping[str, NDArray[np.number] | DeviceArray]) -> dict[str, NDArray[np.number]]:
        return {
            name: fetch(value, self._device, self._session.stream) if isinstance(value, DeviceArray) else value
            for name, value in outputs.items()
        }
