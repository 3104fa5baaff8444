"""Predict with a TensorRT session and the processor ``cupy``: one device, two streams, two threads, graphs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backends.cv.processor import OpenCvProcessor
from backends.gpu.processor import CupyProcessor
from backends.trt.opened_engine import OpenedEngine
from backends.trt.session import TrtSession
from core.detections import Filter
from core.inference.detector import Detector
from core.inference.pipeline import Clock, batches_ahead, batches_of, detected
from core.kinds.processor import for_session
from core.kinds.session import DeviceSession
from core.media.frame import Frame
from core.model_facts import InputContract
from cuda_plugins.signature import BOXES, CLASSES, NUM, SCORES
from tests.backends.gpu.test_stages import infer, source_images
from tests.backends.trt.engines import LIBRARY, TYPES, EngineShim, FakeContext, FakeEngine, about, memory
from tests.support.heads_tools import head_for

SHAPES = {NUM: (1,), BOXES: (6, 4), SCORES: (6,), CLASSES: (6,)}
KINDS = {NUM: "INT32", BOXES: "FLOAT", SCORES: "FLOAT", CLASSES: "INT32"}


class DecodingContext(FakeContext):
    """Computes boxes from pixels."""

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (self.shape[0], *SHAPES[name])

    def execute_async_v3(self, stream: int) -> bool:
        self.runs += 1
        shape, places = self.shape, dict(self.addresses)

        def compute() -> None:
            images = memory(places["images"], shape, TYPES[self.engine.kind]).astype(np.float32)
            for name, values in infer(images).items():
                memory(places[name], values.shape, values.dtype)[:] = values

        self.engine.device.begin(stream, compute)
        return True


class DecodingEngine(FakeEngine):
    num_io_tensors = 5
    profile = ((1, 3, 32, 64), (2, 3, 32, 64), (4, 3, 32, 64))

    def get_tensor_name(self, index: int) -> str:
        return ("images", *SHAPES)[index]

    def get_tensor_dtype(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name={"images": self.kind, **KINDS}[name])

    def create_execution_context(self, strategy: str) -> FakeContext:
        self.contexts.append(DecodingContext(self))
        return self.contexts[-1]


def opened(kind: str, **options: Any) -> tuple[TrtSession, DecodingEngine]:
    engine = DecodingEngine(EngineShim(), kind=kind)
    facts = replace(about(), contract=InputContract(1, 32, 64, dynamic=("batch",)), score_threshold=0.0)
    return TrtSession(OpenedEngine(LIBRARY, object(), engine), facts, engine.device, **options), engine


def predicted(session: TrtSession, processor: Any, batch: int) -> list[Any]:
    frames = iter(
        [Frame(number, f"{number}", None, 0, source_image) for number, source_image in enumerate(source_images(9))]
    )
    detector = Detector(session, for_session(processor, session), head_for(session), Filter(conf=0.1))
    batches = batches_of(frames, batch, session.contract)
    with session, detected(batches, detector, Clock(), depth=batches_ahead(batch)) as found:
        every = [boxes for item in found for boxes in item.found]
    return [(boxes.boxes.tolist(), boxes.scores.tolist(), boxes.classes.tolist()) for boxes in every]


@pytest.mark.parametrize("kind", ["FLOAT", "HALF"])
@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("batch", [1, 3, 6])
def test_boxes_are_those_of_opencv(batch, graphs, kind):
    session, engine = opened(kind, graphs=graphs)
    assert isinstance(session, DeviceSession)
    session._run_host = lambda images: pytest.fail("images and outputs go through the host")
    found = predicted(session, CupyProcessor(lambda number: engine.device), batch)
    host, _ = opened(kind)
    assert found == predicted(host, OpenCvProcessor(), batch)
    assert any(boxes for boxes, _, _ in found)
    kernels = {name for name, _ in engine.device.launched}
    assert kernels == {"letterbox_half" if kind == "HALF" else "letterbox_float", "nms"}
