from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backends.cv.plugin import hookline_processors, probe
from backends.cv.processor import OpenCvProcessor
from backends.yolov5.head import head as bind
from core.detections import Filter, Letterbox
from core.errors import HooklineError
from core.kinds.head import DecodedHead
from core.kinds.part import NoOptions
from core.model_facts import InputContract, ModelFacts
from tests.backends.yolov5.test_head import FACTS, make_heads
from tests.support.heads_tools import head_for
from tests.support.media_tools import make_picture

(OPENCV,) = hookline_processors()


def decoded(boxes: list[list[float]], scores: list[float]) -> dict[str, Any]:
    return {
        "DecodeDetectionBoxes": np.asarray([boxes], np.float32),
        "DecodeDetectionScores": np.asarray([scores], np.float32),
        "DecodeDetectionClasses": np.zeros((1, len(scores)), np.int32),
    }


@pytest.mark.parametrize("size", [(96, 160), (50, 200), (300, 31), (1, 1)])
def test_boxes_go_there_and_back(size: tuple[int, int]) -> None:
    processor, (height, width) = OPENCV.load(NoOptions()), size
    _, placed = processor.prepare([make_picture(*size)], InputContract(1, 96, 160))
    (place,) = placed
    box = np.asarray([0.25 * width, 0.1 * height, 0.75 * width, 0.9 * height])
    in_network = box * place.ratio + [place.left, place.top] * 2
    (found,) = processor.detect(decoded([in_network.tolist()], [0.9]), DecodedHead(FACTS), placed, Filter())
    np.testing.assert_allclose(found.boxes[0], box, rtol=1e-5, atol=1e-4)


def test_boxes_are_clipped_to_the_image_and_sorted() -> None:
    processor = OPENCV.load(NoOptions())
    _, placed = processor.prepare([make_picture(96, 160)], InputContract(1, 96, 160))
    (found,) = processor.detect(
        decoded([[10, 10, 20, 20], [-50, -50, 500, 500]], [0.5, 0.8]),
        DecodedHead(FACTS),
        placed,
        Filter(),
    )
    assert found.boxes.tolist() == [[0, 0, 160, 96], [10, 10, 20, 20]]
    assert found.scores.tolist() == pytest.approx([0.8, 0.5])


def test_each_image_of_a_batch_has_its_own_boxes() -> None:
    processor = OPENCV.load(NoOptions())
    session: Any = SimpleNamespace(layout="heads", facts=FACTS)
    _, placed = processor.prepare([make_picture(64, 96)] * 2, InputContract(2, 64, 96))
    outputs = make_heads()
    wanted = Filter(conf=0.6)
    both = processor.detect(outputs, head_for(session), placed, wanted)
    alone = processor.detect({name: head[1:] for name, head in outputs.items()}, head_for(session), placed[1:], wanted)
    np.testing.assert_array_equal(both[1].boxes, alone[0].boxes)
    assert len(both[0]) > 0
    assert not np.array_equal(both[0].boxes, both[1].boxes)


def test_nothing_found() -> None:
    processor = OPENCV.load(NoOptions())
    _, placed = processor.prepare([make_picture(64, 96)], InputContract(1, 64, 96))
    session: Any = SimpleNamespace(layout="heads", facts=FACTS)
    (found,) = processor.detect(
        {name: head * 0 for name, head in make_heads().items()}, head_for(session), placed, Filter()
    )
    assert found.boxes.shape == (0, 4)
    assert len(found) == 0


def test_the_descriptor_is_light(repo_root: Path) -> None:
    assert probe().usable
    code = "import sys, backends.cv.plugin; print([m for m in ('cv2', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=repo_root, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


HOSTILE = {
    "nan-box": [np.nan, 5, 2, 2, 1, 1, 1],
    "infinite-box": [np.inf, -np.inf, np.inf, np.inf, 1, 1, 1],
    "negative-box": [50, 50, -20, -20, 1, 1, 1],
    "infinite-score": [50, 50, 20, 20, np.inf, 1, 1],
    "logits": [50, 50, 20, 20, 8, 3, 1],
    "overflow": [1e38, 1e38, 1e38, 1e38, 1e30, 1e30, 1],
}


@pytest.mark.parametrize("row", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.filterwarnings("error")
def test_outputs_that_are_no_boxes(row: list[float]) -> None:
    facts = ModelFacts("yolov5", "x", ("a", "b"), (8, 16, 32))
    head = bind(facts, "classic")
    outputs = {"output0": np.array([[row] * 300], np.float32)}
    place = Letterbox(ratio=1.0, left=0, top=0, height=64, width=64)
    with pytest.raises(HooklineError, match=r"the model .x. outputs a (score|box)"):
        OpenCvProcessor().detect(outputs, head, [place], Filter())
