"""Images on their way to the GPU: pinned buffers and placement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backends.cv.letterbox import placement, resized_size
from backends.gpu.device import Bytes, Device, Mark, view
from core.detections import Letterbox
from core.kinds.session import DeviceArray
from core.model_facts import InputContract
from cuda_plugins.letterbox import LetterboxPlacement, Picture, letterbox_launches

ALIGNMENT = 256


class Slot:
    """A pinned buffer that waits until its last copy is done before it is used again."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._memory: Bytes = np.empty(0, np.uint8)
        self._busy: Mark | None = None

    def send(self, picture: NDArray[np.uint8], address: int, stream: int) -> None:
        """Begin the upload of a picture; it may change when this returns."""
        if self._busy:
            self._busy.wait()
        if len(self._memory) < picture.size:
            self._memory = self._device.pinned(picture.size)
        memory = self._memory[: picture.size]
        np.copyto(memory.reshape(picture.shape), picture)
        self._device.upload(memory, address, stream)
        self._busy = self._device.mark(stream)


class Uploads:
    """The pictures of one batch at a time, in memory that grows to the largest batch and is kept."""

    def __init__(self, device: Device, stream: int) -> None:
        self._device, self._stream = device, stream
        self._slots = (Slot(device), Slot(device))
        self._memory: DeviceArray = device.empty((0,), np.uint8, stream)

    def send(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Picture]:
        """Begin the upload of a batch, and tell where each picture will be.

        The pictures of the batch before are overwritten: what reads them stands on the same stream, or has finished.
        """
        ends = np.cumsum([0, *(-(-picture.size // ALIGNMENT) * ALIGNMENT for picture in pictures)]).tolist()
        if view(self._memory).size < ends[-1]:
            self._memory = self._device.empty((ends[-1],), np.uint8, self._stream)
        address, found = view(self._memory).address, []
        for number, (picture, offset) in enumerate(zip(pictures, ends, strict=False)):
            height, width = picture.shape[:2]
            self._slots[number % len(self._slots)].send(picture, address + offset, self._stream)
            found.append(Picture(address + offset, height, width, 3 * width))
        return found


class ImageUploads:
    """Uploads pictures and letterboxes them.

    Attributes:
        stream: On which all of it happens.
    """

    def __init__(self, device: Device, *, half: bool) -> None:
        self.stream = device.new_stream()
        self._device = device
        self._half = half
        self._uploads = Uploads(device, self.stream)
        device.load("letterbox", "letterbox_half" if half else "letterbox_float")

    def prepare(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        contract: InputContract,
        *,
        upscale: bool,
        fit: tuple[int, int] | None,
    ) -> tuple[DeviceArray, list[Letterbox]]:
        """Begin to make the network input of a batch; it is complete when the stream has come so far.

        Returns:
            [B, 3, height, width] of memory that nothing else uses, and how each picture was placed.

        Raises:
            HooklineError: A picture without pixels.
        """
        sizes = [(picture.shape[0], picture.shape[1]) for picture in pictures]
        placed = [placement(height, width, contract, upscale=upscale, fit=fit) for height, width in sizes]
        shape = (len(pictures), 3, contract.height, contract.width)
        images = self._device.empty(shape, np.float16 if self._half else np.float32, self.stream)
        launches = letterbox_launches(
            self._uploads.send(pictures),
            [LetterboxPlacement(*resized_size(letterbox), letterbox.top, letterbox.left) for letterbox in placed],
            view(images).address,
            height=contract.height,
            width=contract.width,
            border=contract.pad_value,
            scale=contract.scale,
            offset=contract.offset,
            swap=contract.channels == "rgb",
            half=self._half,
        )
        for launch in launches:
            self._device.launch(launch, self.stream)
        return images, placed
