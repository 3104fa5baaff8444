"""The decode for runtimes without data-dependent shapes gives the same set of rows as the twin."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import onnx
import pytest

from backends.graphsurgeon.options import YoloLayerOptions
from backends.graphsurgeon.yolo_layer import OnnxGraft, YoloLayerGraft
from cuda_plugins.signature import BOXES, CLASSES, NUM, OUTPUTS, SCORES
from tests.backends.graphsurgeon.test_decode_parity import cut_at_the_heads
from tests.backends.graphsurgeon.test_yolo_layer import run, twin
from tests.support.heads_tools import head_for, images, write_heads

DATA_DEPENDENT = {"NonZero", "Compress", "Unique", "NonMaxSuppression"}


def assert_same_rows(outputs, expected):
    assert tuple(outputs) == OUTPUTS
    assert {name: (value.shape, value.dtype) for name, value in outputs.items()} == {
        name: (value.shape, value.dtype) for name, value in expected.items()
    }
    np.testing.assert_array_equal(outputs[NUM], expected[NUM])
    for picture in range(len(outputs[NUM])):
        found, wanted = (np.flatnonzero(values[SCORES][picture] > 0) for values in (outputs, expected))
        for name in (SCORES, CLASSES):
            np.testing.assert_array_equal(outputs[name][picture, found], expected[name][picture, wanted])
        np.testing.assert_allclose(outputs[BOXES][picture, found], expected[BOXES][picture, wanted], atol=1e-3)


@pytest.mark.parametrize("graft", [YoloLayerGraft(YoloLayerOptions()), OnnxGraft()], ids=["yolo_layer", "onnx"])
@pytest.mark.parametrize("levels", [3, 4])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.9, 1.0])
def test_rows_are_those_of_the_twin(tmp_path, graft, levels, batch, threshold):
    model = write_heads(tmp_path / "heads.onnx", levels=levels, batch=batch, size=(64, 128), fixed_sizes=True)
    graft.append(model, head_for(model), tmp_path / "decoded.onnx", score_threshold=threshold)
    feed = images(model, batch)
    assert_same_rows(run(tmp_path / "decoded.onnx", feed), twin(model, feed, threshold))


@pytest.mark.parametrize(("batch", "size"), [(1, (32, 32)), (2, (64, 96)), (3, (96, 32))])
def test_dynamic_axes(tmp_path, batch, size):
    model = write_heads(tmp_path / "heads.onnx", dynamic=True, fixed_sizes=True)
    YoloLayerGraft(YoloLayerOptions()).append(model, head_for(model), tmp_path / "decoded.onnx", score_threshold=0.25)
    feed = images(model, batch, size)
    assert_same_rows(run(tmp_path / "decoded.onnx", feed), twin(model, feed, 0.25))


@pytest.mark.parametrize("opset", [13, 17, 18, 21])
@pytest.mark.parametrize("classes", [1, 80])
def test_opsets_and_class_counts(tmp_path, opset, classes):
    model = write_heads(tmp_path / "heads.onnx", opset=opset, classes=classes, fixed_sizes=True)
    YoloLayerGraft(YoloLayerOptions()).append(model, head_for(model), tmp_path / "decoded.onnx", score_threshold=0.25)
    onnx.checker.check_model(onnx.load(tmp_path / "decoded.onnx"), full_check=True)
    feed = images(model, 1)
    assert_same_rows(run(tmp_path / "decoded.onnx", feed), twin(model, feed, 0.25))


def test_a_dropped_row_is_zero_where_it_stands(tmp_path):
    model = write_heads(tmp_path / "heads.onnx", fixed_sizes=True)
    YoloLayerGraft(YoloLayerOptions()).append(model, head_for(model), tmp_path / "decoded.onnx", score_threshold=0.5)
    outputs = run(tmp_path / "decoded.onnx", images(model, 1))
    everything = twin(model, images(model, 1), 0.0)
    kept = outputs[SCORES][0] > 0
    assert 0 < kept.sum() < len(kept)
    assert not kept[: outputs[NUM][0, 0]].all()
    np.testing.assert_array_equal(outputs[SCORES][0, kept], everything[SCORES][0, kept])
    assert not outputs[BOXES][0, ~kept].any()
    assert not outputs[CLASSES][0, ~kept].any()


@pytest.mark.parametrize(("fixed_sizes", "there"), [(True, set()), (False, {"NonZero"})])
def test_no_size_depends_on_the_data(tmp_path, fixed_sizes, there):
    model = write_heads(tmp_path / "heads.onnx", fixed_sizes=fixed_sizes)
    OnnxGraft().append(model, head_for(model), tmp_path / "decoded.onnx", score_threshold=0.25)
    operators = {node.op_type for node in onnx.load(tmp_path / "decoded.onnx").graph.node}
    assert operators & DATA_DEPENDENT == there


@pytest.mark.parametrize("threshold", [0.001, 0.25])
def test_real_weights_have_the_same_rows_in_both_forms(tmp_path, shared_data, threshold):
    source = shared_data / "weights" / "yolov5n-v7.0-640-op13.onnx"
    model = cut_at_the_heads(source, tmp_path / "heads.onnx")
    picture = cv2.resize(cv2.imread(str(shared_data / "photos" / "bus.jpg")), (640, 640))
    feed = np.ascontiguousarray(picture[None, ..., ::-1].transpose(0, 3, 1, 2), np.float32) / 255
    outputs = []
    for form in (replace(model, fixed_sizes=True), model):
        YoloLayerGraft(YoloLayerOptions()).append(form, head_for(form), tmp_path / "d.onnx", score_threshold=threshold)
        outputs.append(run(tmp_path / "d.onnx", feed))
    assert outputs[1][NUM].item() > (500 if threshold < 0.25 else 20)
    assert_same_rows(*outputs)
