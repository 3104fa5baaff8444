"""Decode and NMS on the device: outputs in device memory to boxes in host memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backends.gpu.device import Bytes, Device, View, view
from core.detections import Detections, Filter, Letterbox
from core.kinds.head import DeviceDecode, Head
from core.kinds.session import DeviceArray
from core.model_facts import DECODED
from cuda_plugins.nms import DETECTION, MAX_CLASSES, CandidateArrays, ImageTransform, Suppression, nms_launches
from cuda_plugins.signature import BOXES, CLASSES, OPERATOR, SCORES, THRESHOLD
from cuda_plugins.yolo_layer import Decoded, cells, yolo_layer_launch
from cuda_plugins.yolo_layer import LevelInput as Level
from cuda_plugins.yolo_layer_settings import from_arrays

ARRAYS = {BOXES: np.float32, SCORES: np.float32, CLASSES: np.int32}
COUNTS_ALIGNMENT = 16


class Suppressor:
    """Decodes heads and applies NMS on one stream; boxes come back in one copy."""

    def __init__(self, device: Device, stream: int) -> None:
        self._device, self._stream = device, stream
        self._result: Bytes = np.empty(0, np.uint8)
        device.load("nms", "nms")

    def supports(
        self, outputs: Mapping[str, NDArray[np.number] | DeviceArray], head: Head, wanted: Filter
    ) -> TypeGuard[Mapping[str, DeviceArray]]:
        """Return whether the kernels support these outputs, head and filter."""
        if not _are_on_device(outputs):
            return False
        if max(wanted.classes, default=0) >= MAX_CLASSES:
            return False
        if head.layout == DECODED:
            return all(view(outputs[name]).dtype == dtype for name, dtype in ARRAYS.items())
        decode = head.device_decode
        if decode is None or decode.name != OPERATOR or wanted.multi_label or not wanted.conf > 0:
            return False
        types = {view(outputs[name]).dtype for name in decode.inputs}
        return len(types) == 1 and types <= {np.dtype(np.float32), np.dtype(np.float16)}

    def detect(
        self,
        outputs: Mapping[str, DeviceArray],
        head: Head,
        letterboxes: Sequence[Letterbox],
        wanted: Filter,
    ) -> list[Detections]:
        """Return the boxes of each image; wait for the stream."""
        arrays = outputs
        if head.layout != DECODED and head.device_decode:
            threshold = max(wanted.conf, wanted.score_threshold)
            arrays = self._decode(outputs, head.device_decode, len(letterboxes), threshold)
        boxes, scores, classes = (view(arrays[name]) for name in (BOXES, SCORES, CLASSES))
        candidates = CandidateArrays(boxes.address, scores.address, classes.address, rows=scores.shape[1])
        return self._suppress(candidates, letterboxes, wanted)

    def _decode(
        self, outputs: Mapping[str, DeviceArray], decode: DeviceDecode, batch: int, threshold: float
    ) -> dict[str, DeviceArray]:
        """Run the kernel of ``YoloLayer_TRT`` for boxes with an objectness of at least ``threshold``."""
        views = [view(outputs[name]) for name in decode.inputs]
        heads = [Level(found.address, *found.shape[2:]) for found in views]
        settings = from_arrays([*decode.attributes.items(), (THRESHOLD, threshold)])
        rows = cells(heads, settings.pairs(len(heads)).shape[1])
        counts = self._empty((batch, 1), np.int32)
        arrays = {
            BOXES: self._empty((batch, rows, 4), np.float32),
            SCORES: self._empty((batch, rows), np.float32),
            CLASSES: self._empty((batch, rows), np.int32),
        }
        launch = yolo_layer_launch(
            heads,
            Decoded(view(counts).address, *(view(array).address for array in arrays.values())),
            batch=batch,
            max_stride=settings.max_stride,
            num_classes=settings.num_classes,
            anchors=settings.anchors,
            threshold=settings.threshold,
            half=views[0].dtype == np.float16,
        )
        self._device.launch(launch, self._stream)
        return arrays

    def _suppress(
        self, candidates: CandidateArrays, letterboxes: Sequence[Letterbox], wanted: Filter
    ) -> list[Detections]:
        batch = len(letterboxes)
        start = -(-4 * batch // COUNTS_ALIGNMENT) * COUNTS_ALIGNMENT
        memory = self._empty((start + batch * wanted.max_det * DETECTION.itemsize,), np.uint8)
        found = view(memory)
        launches = nms_launches(
            candidates,
            [_transform(place) for place in letterboxes],
            found.address,
            found.address + start,
            _suppression(wanted),
        )
        for launch in launches:
            self._device.launch(launch, self._stream)
        result = self._fetch(found)
        counts = result[: 4 * batch].view(np.int32)
        rows = result[start:].view(DETECTION).reshape(batch, wanted.max_det)
        return [_detections(row[:count]) for row, count in zip(rows, counts, strict=True)]

    def _fetch(self, found: View) -> Bytes:
        """Copy the bytes to pinned memory, which the next call overwrites."""
        if len(self._result) < found.size:
            self._result = self._device.pinned(found.size)
        result = self._result[: found.size]
        self._device.download(found.address, result, self._stream)
        self._device.wait(self._stream)
        return result

    def _empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        return self._device.empty(shape, dtype, self._stream)


def _are_on_device(
    outputs: Mapping[str, NDArray[np.number] | DeviceArray],
) -> TypeGuard[Mapping[str, DeviceArray]]:
    return all(isinstance(value, DeviceArray) for value in outputs.values())


def _suppression(wanted: Filter) -> Suppression:
    return Suppression(wanted.conf, wanted.iou, wanted.max_det, wanted.max_candidates, wanted.classes)


def _transform(place: Letterbox) -> ImageTransform:
    return ImageTransform(place.ratio, place.left, place.top, place.width, place.height)


def _detections(rows: NDArray[np.void]) -> Detections:
    """Copy the rows, because their memory is reused."""
    return Detections(rows["box"].copy(), rows["score"].copy(), rows["label"].copy())
