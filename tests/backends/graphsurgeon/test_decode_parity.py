"""The decode on real weights, against the classic output of an exported model."""

from __future__ import annotations

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from backends.graphsurgeon.options import YoloLayerOptions
from backends.graphsurgeon.yolo_layer import YoloLayerGraft
from core.artifacts import QuantizedModel
from core.model_facts import InputContract, ModelFacts
from cuda_plugins.signature import BOXES, CLASSES, NUM, SCORES
from tests.support.heads_tools import ANCHORS, head_for

CONVOLUTIONS = [f"/model.24/m.{level}/Conv_output_0" for level in range(3)]


def session(path):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def cut_at_the_heads(source, target):
    """Return the graph up to the convolutions of the detector, with a sigmoid after each."""
    model = onnx.shape_inference.infer_shapes(onnx.load(source))
    short = onnx.utils.Extractor(model).extract_model(["images"], CONVOLUTIONS)
    del short.graph.output[:], short.graph.value_info[:]
    for level, name in enumerate(CONVOLUTIONS):
        head, cells = f"p{level + 3}", 640 // (8 << level)
        short.graph.node.append(onnx.helper.make_node("Sigmoid", [name], [head]))
        shape = [1, 255, cells, cells]
        short.graph.output.append(onnx.helper.make_tensor_value_info(head, onnx.TensorProto.FLOAT, shape))
    onnx.save(short, target)
    facts = ModelFacts(
        "yolov5",
        source.stem,
        tuple(str(number) for number in range(80)),
        (8, 16, 32),
        {"anchors": [list(level) for level in ANCHORS[:3]]},
    )
    return QuantizedModel(
        path=target, facts=facts, contract=InputContract(1, 640, 640), layout="heads", runtime="onnxruntime"
    )


@pytest.mark.parametrize("name", ["yolov5n-v7.0-640-op13", "yolov5s-v6.0-640-op13"])
def test_decoded_boxes_are_those_of_the_classic_output(tmp_path, shared_data, name):
    source = shared_data / "weights" / f"{name}.onnx"
    model = cut_at_the_heads(source, tmp_path / "heads.onnx")
    YoloLayerGraft(YoloLayerOptions()).append(model, head_for(model), tmp_path / "d.onnx", score_threshold=0.001)
    picture = cv2.resize(cv2.imread(str(shared_data / "photos" / "bus.jpg")), (640, 640))
    feed = np.ascontiguousarray(picture[None, ..., ::-1].transpose(0, 3, 1, 2), np.float32) / 255
    (rows,) = session(source).run(None, {"images": feed})[0]
    count, boxes, scores, classes = session(tmp_path / "d.onnx").run([NUM, BOXES, SCORES, CLASSES], {"images": feed})
    kept = rows[rows[:, 4] >= np.float32(0.001)]
    assert count[0, 0] == len(kept) > 500
    half = kept[:, 2:4] / 2
    expected = np.concatenate([kept[:, :2] - half, kept[:, :2] + half], 1)
    np.testing.assert_allclose(boxes[0, : len(kept)], expected, atol=0.05)
    np.testing.assert_allclose(scores[0, : len(kept)], kept[:, 4] * kept[:, 5:].max(1), atol=1e-4)
    sure = kept[:, 4] >= 0.25
    assert (classes[0, : len(kept)][sure] == kept[sure, 5:].argmax(1)).all()
