"""Pictures to network input in device memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backends.cv.placement import placement, resized_size
from backends.gpu.device import Device, view
from backends.gpu.uploads import Uploads
from core.artifacts import InputContract
from core.detections import Letterbox
from core.parts import DeviceArray
from cuda_plugins.letterbox import Place
from cuda_plugins.letterbox_launch import letterbox_launches


class Pictures:
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
            [Place(*resized_size(letterbox), letterbox.top, letterbox.left) for letterbox in placed],
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
