"""Upload images through pinned buffers, and letterbox them on the GPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backends.cv.letterbox import placement, resized_size
from backends.gpu.device import Bytes, Device, Mark, view
from core.detections import Letterbox
from core.kinds.session import DeviceArray
from core.model_facts import InputContract
from cuda_plugins.letterbox import DeviceImage, LetterboxPlacement, letterbox_launches

ALIGNMENT = 256


class Slot:
    """A pinned buffer that is reused when its last copy has finished."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._memory: Bytes = np.empty(0, np.uint8)
        self._busy: Mark | None = None

    def send(self, image: NDArray[np.uint8], address: int, stream: int) -> None:
        """Start the upload of an image; the caller may change the image afterwards."""
        if self._busy:
            self._busy.wait()
        if len(self._memory) < image.size:
            self._memory = self._device.pinned(image.size)
        memory = self._memory[: image.size]
        np.copyto(memory.reshape(image.shape), image)
        self._device.upload(memory, address, stream)
        self._busy = self._device.mark(stream)


class Uploads:
    """Uploads one batch of images at a time, to memory that grows to the largest batch."""

    def __init__(self, device: Device, stream: int) -> None:
        self._device, self._stream = device, stream
        self._slots = (Slot(device), Slot(device))
        self._memory: DeviceArray = device.empty((0,), np.uint8, stream)

    def send(self, images: Sequence[NDArray[np.uint8]]) -> list[DeviceImage]:
        """Start the upload of a batch and return the device images.

        Overwrites the previous batch: its readers must run on the same stream or have finished.
        """
        ends = np.cumsum([0, *(-(-image.size // ALIGNMENT) * ALIGNMENT for image in images)]).tolist()
        if view(self._memory).size < ends[-1]:
            self._memory = self._device.empty((ends[-1],), np.uint8, self._stream)
        address, found = view(self._memory).address, []
        for number, (image, offset) in enumerate(zip(images, ends, strict=False)):
            height, width = image.shape[:2]
            self._slots[number % len(self._slots)].send(image, address + offset, self._stream)
            found.append(DeviceImage(address + offset, height, width, 3 * width))
        return found


class ImageUploads:
    """Uploads images and letterboxes them.

    Attributes:
        stream: The stream of all work.
    """

    def __init__(self, device: Device, *, half: bool) -> None:
        self.stream = device.new_stream()
        self._device = device
        self._half = half
        self._uploads = Uploads(device, self.stream)
        device.load("letterbox", "letterbox_half" if half else "letterbox_float")

    def prepare(
        self,
        images: Sequence[NDArray[np.uint8]],
        contract: InputContract,
        *,
        upscale: bool,
        fit: tuple[int, int] | None,
    ) -> tuple[DeviceArray, list[Letterbox]]:
        """Start to compute the network input of a batch; it is complete when the stream has finished.

        Returns:
            A new array [B, 3, height, width], and the placement of each image.

        Raises:
            HooklineError: An image has no pixels.
        """
        sizes = [(image.shape[0], image.shape[1]) for image in images]
        placed = [placement(height, width, contract, upscale=upscale, fit=fit) for height, width in sizes]
        shape = (len(images), 3, contract.height, contract.width)
        inputs = self._device.empty(shape, np.float16 if self._half else np.float32, self.stream)
        launches = letterbox_launches(
            self._uploads.send(images),
            [LetterboxPlacement(*resized_size(letterbox), letterbox.top, letterbox.left) for letterbox in placed],
            view(inputs).address,
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
        return inputs, placed
