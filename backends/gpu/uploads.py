"""Upload images through pinned buffers, and letterbox them on the GPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backends.cv.letterbox import placement, resized_size
from backends.gpu.buffers import GrowingBuffer, PinnedBuffer
from backends.gpu.device import Device, view
from core.detections import Letterbox
from core.kinds.session import DeviceArray
from core.model_facts import InputContract
from cuda_plugins.letterbox import DeviceImage, LetterboxPlacement, letterbox_launches

ALIGNMENT = 256


class Uploads:
    """Uploads one batch of images at a time, to memory that grows to the largest batch."""

    def __init__(self, device: Device, stream: int) -> None:
        self._stream = stream
        self._pinned = (PinnedBuffer(device), PinnedBuffer(device))
        self._memory = GrowingBuffer(device, stream)

    def send(self, images: Sequence[NDArray[np.uint8]]) -> list[DeviceImage]:
        """Start the upload of a batch and return the device images. The caller may change the images afterwards.

        Overwrites the previous batch: its readers must run on the same stream or have finished.
        """
        ends = np.cumsum([0, *(-(-image.size // ALIGNMENT) * ALIGNMENT for image in images)]).tolist()
        address, found = self._memory.address(ends[-1]), []
        for number, (image, offset) in enumerate(zip(images, ends, strict=False)):
            height, width = image.shape[:2]
            pinned = self._pinned[number % len(self._pinned)]  # fill one while the other is uploaded
            np.copyto(pinned.reserve(image.size).reshape(image.shape), image)
            pinned.upload(image.size, address + offset, self._stream)
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
