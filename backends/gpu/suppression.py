"""Outputs in device memory to boxes in the host's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backends.gpu.device import Bytes, Device, View, view
from core.artifacts import Layout, ModelFacts
from core.detections import Detections, Filter, Letterbox
from core.parts import DeviceArray, Session
from cuda_plugins.nms import DETECTION, Origin, Suppression
from cuda_plugins.nms_launch import MAX_CLASSES, Candidates, nms_launches
from cuda_plugins.signature import BOXES, CLASSES, SCORES
from cuda_plugins.yolo_layer_launch import Decoded, Head, cells, yolo_layer_launch

DECODED = {BOXES: np.float32, SCORES: np.float32, CLASSES: np.int32}
COUNTS_ALIGNMENT = 16


class Suppressor:
    """Decodes where the outputs are heads, and suppresses, on one stream; boxes come back in one copy."""

    def __init__(self, device: Device, stream: int) -> None:
        self._device, self._stream = device, stream
        self._result: Bytes = np.empty(0, np.uint8)
        device.load("nms", "nms")

    def holds(self, outputs: Mapping[str, Any], session: Session, wanted: Filter) -> bool:
        """Whether the kernels can do it."""
        if not all(isinstance(value, DeviceArray) for value in outputs.values()):
            return False
        if max(wanted.classes, default=0) >= MAX_CLASSES:
            return False
        types = {name: view(value).dtype for name, value in outputs.items()}
        if session.layout is Layout.decoded:
            return all(types[name] == dtype for name, dtype in DECODED.items())
        if session.layout is Layout.heads:
            of_one_type = len(set(types.values())) == 1 and types["p3"] in (np.float32, np.float16)
            return of_one_type and wanted.conf > 0 and not wanted.multi_label
        return False

    def detect(
        self,
        outputs: Mapping[str, DeviceArray],
        session: Session,
        letterboxes: Sequence[Letterbox],
        wanted: Filter,
    ) -> list[Detections]:
        """The boxes of each picture, once the stream has come past them."""
        arrays = outputs
        if session.layout is Layout.heads:
            arrays = self._decode(outputs, session.facts, len(letterboxes), wanted.conf)
        boxes, scores, classes = (view(arrays[name]) for name in (BOXES, SCORES, CLASSES))
        candidates = Candidates(boxes.address, scores.address, classes.address, rows=scores.shape[1])
        return self._suppress(candidates, letterboxes, wanted)

    def _decode(
        self, outputs: Mapping[str, DeviceArray], facts: ModelFacts, batch: int, conf: float
    ) -> dict[str, DeviceArray]:
        """Boxes of heads p3 p4 p5 (p6) whose objectness reaches ``conf``."""
        views = [view(outputs[f"p{3 + level}"]) for level in range(len(facts.anchors))]
        heads = [Head(found.address, *found.shape[2:]) for found in views]
        rows = cells(heads, len(facts.anchors[0]) // 2)
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
            max_stride=facts.max_stride,
            num_classes=facts.num_classes,
            anchors=[number for level in facts.anchors for number in level],
            threshold=conf,
            half=views[0].dtype == np.float16,
        )
        self._device.launch(launch, self._stream)
        return arrays

    def _suppress(self, candidates: Candidates, letterboxes: Sequence[Letterbox], wanted: Filter) -> list[Detections]:
        batch = len(letterboxes)
        start = -(-4 * batch // COUNTS_ALIGNMENT) * COUNTS_ALIGNMENT
        memory = self._empty((start + batch * wanted.max_det * DETECTION.itemsize,), np.uint8)
        found = view(memory)
        launches = nms_launches(
            candidates, [_origin(place) for place in letterboxes], found.address, found.address + start, _asked(wanted)
        )
        for launch in launches:
            self._device.launch(launch, self._stream)
        result = self._fetch(found)
        counts = result[: 4 * batch].view(np.int32)
        rows = result[start:].view(DETECTION).reshape(batch, wanted.max_det)
        return [_detections(row[:count]) for row, count in zip(rows, counts, strict=True)]

    def _fetch(self, found: View) -> Bytes:
        """Its bytes in pinned memory, until the next call."""
        if len(self._result) < found.size:
            self._result = self._device.pinned(found.size)
        result = self._result[: found.size]
        self._device.download(found.address, result, self._stream)
        self._device.wait(self._stream)
        return result

    def _empty(self, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
        return self._device.empty(shape, dtype, self._stream)


def _asked(wanted: Filter) -> Suppression:
    return Suppression(wanted.conf, wanted.iou, wanted.max_det, wanted.max_candidates, wanted.classes)


def _origin(place: Letterbox) -> Origin:
    return Origin(place.ratio, place.left, place.top, place.width, place.height)


def _detections(rows: NDArray[Any]) -> Detections:
    """Copies, since the memory of the rows is used again."""
    return Detections(rows["box"].copy(), rows["score"].copy(), rows["label"].copy())
