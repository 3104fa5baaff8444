"""Predict and evaluate with a session on a device: images are uploaded once, and only boxes are downloaded."""

from __future__ import annotations

from itertools import islice
from typing import Any

import cv2
import numpy as np
import pytest

from backends.cv.processor import OpenCvProcessor
from backends.gpu.processor import CupyProcessor
from core.data.dataset import Sample
from core.detections import Filter
from core.evaluation.loop import evaluate_session
from core.inference.detector import Detector
from core.inference.pipeline import Clock, batches_ahead, batches_of, detected
from core.kinds.processor import for_session
from core.media.frame import Frame
from core.media.tolerance import Tolerance
from core.model_facts import InputContract
from cuda_plugins.signature import BOXES, CLASSES, NUM, SCORES
from tests.backends.gpu.devices import FakeSession, ShimDevice
from tests.backends.yolov5.test_head import FACTS
from tests.support.heads_tools import head_for
from tests.support.media_tools import make_picture

WANTED = Filter(conf=0.1)


def infer(images: np.ndarray) -> dict[str, np.ndarray]:
    """Return boxes and scores that depend on the pixels."""
    batch = len(images)
    means = images.reshape(batch, 3, 4, -1).mean(3).transpose(0, 2, 1).reshape(batch, 12)
    corners = np.stack([means[:, :6], means[:, 6:]], 2) * 40
    return {
        NUM: np.full((batch, 1), 6, np.int32),
        BOXES: np.concatenate([corners, corners + 9], 2).astype(np.float32),
        SCORES: np.ascontiguousarray(means[:, 3:9]).astype(np.float32),
        CLASSES: np.tile(np.arange(6, dtype=np.int32) % 2, (batch, 1)),
    }


class StrictSession(FakeSession):
    """A session that accepts device arrays only."""

    def __init__(self) -> None:
        super().__init__(ShimDevice(), FACTS, infer)
        self.contract = InputContract(1, 32, 64, dynamic=("batch",))

    def run(self, images: Any) -> dict[str, Any]:
        assert not isinstance(images, np.ndarray)
        return super().run(images)


class HostSession(FakeSession):
    """The same session on the host."""

    def __init__(self) -> None:
        super().__init__(ShimDevice(), FACTS, infer)
        self.contract = InputContract(1, 32, 64, dynamic=("batch",))


def source_images(count: int) -> list[np.ndarray]:
    return [make_picture(20 + 5 * number, 70 - 3 * number, seed=number) for number in range(count)]


def predicted(session: FakeSession, processor: Any, batch: int) -> list[Any]:
    frames = iter(
        [Frame(number, f"{number}", None, 0, source_image) for number, source_image in enumerate(source_images(9))]
    )
    detector = Detector(session, for_session(processor, session), head_for(session), WANTED)
    batches = batches_of(frames, batch, session.contract)
    with detected(batches, detector, Clock(), depth=batches_ahead(batch)) as found:
        return [boxes for item in found for boxes in item.found]


@pytest.mark.parametrize("batch", [1, 4])
def test_predict(batch):
    session = StrictSession()
    found = predicted(session, CupyProcessor(lambda number: session.memory), batch)
    expected = predicted(HostSession(), OpenCvProcessor(), batch)
    assert [boxes.boxes.tolist() for boxes in found] == [boxes.boxes.tolist() for boxes in expected]
    assert any(len(boxes) for boxes in found)


def test_evaluate(tmp_path):
    samples = []
    for number, source_image in enumerate(islice(source_images(9), 5)):
        samples.append(Sample(tmp_path / f"{number}.png", None))
        cv2.imwrite(str(samples[-1].image), source_image)
    session, every = StrictSession(), []
    for one, processor in ((session, CupyProcessor(lambda number: session.memory)), (HostSession(), OpenCvProcessor())):
        result = evaluate_session(
            one, samples, processor, WANTED, Tolerance(5, print), head=head_for(one), batch=2, upscale=False
        )
        every.append([seen.found.boxes.tolist() for seen in result.images])
    assert every[0] == every[1]
    assert any(every[0])
    kernels = [name for name, _ in session.memory.launched]
    assert kernels.count("nms") == 3
    assert kernels.count("letterbox_float") == 4  # and one to warm up
