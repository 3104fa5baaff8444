"""The decode grafts: the appended graph, and its results in ONNX Runtime against the twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import onnxruntime as ort
import onnxsim
import pytest

from backends.graphsurgeon.options import YoloLayerOptions
from backends.graphsurgeon.yolo_layer import OnnxGraft, YoloLayerGraft
from core.errors import HooklineError
from cuda_plugins.signature import BOXES, CLASSES, NUM, OUTPUTS, SCORES
from cuda_plugins.yolo_layer import yolo_layer
from tests.support.heads_tools import head_for, images, write_heads

GRAFTS = [YoloLayerGraft(YoloLayerOptions()), OnnxGraft()]


def run(path, feed):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    content = path if isinstance(path, bytes) else str(path)
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": feed}), strict=True))


def twin(model, feed, threshold):
    facts, heads = model.facts, run(model.path, feed)
    anchors = [value for level in facts.head["anchors"] for value in level]
    return yolo_layer(
        list(heads.values()),
        max_stride=facts.max_stride,
        num_classes=facts.num_classes,
        anchors=anchors,
        threshold=threshold,
    )


def assert_equal_to_twin(outputs, expected):
    assert tuple(outputs) == OUTPUTS
    for name in (NUM, CLASSES, SCORES):
        np.testing.assert_array_equal(outputs[name], expected[name])
        assert outputs[name].dtype == expected[name].dtype
    np.testing.assert_allclose(outputs[BOXES], expected[BOXES], atol=1e-3)


@pytest.mark.parametrize("graft", GRAFTS, ids=["yolo_layer", "onnx"])
@pytest.mark.parametrize("levels", [3, 4])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("threshold", [0.0, 0.001, 0.25, 0.9, 1.0])
def test_graph_is_the_twin(tmp_path, graft, levels, batch, threshold):
    size = (64, 128)
    model = write_heads(tmp_path / "heads.onnx", levels=levels, batch=batch, size=size)
    graft.append(model, head_for(model), tmp_path / "decoded.onnx", score_threshold=threshold)
    feed = images(model, batch)
    expected = twin(model, feed, threshold)
    assert expected[NUM].min() >= 0
    assert threshold not in {0.25, 0.9} or 0 < expected[NUM].min() <= expected[NUM].max() < expected[SCORES].shape[1]
    assert_equal_to_twin(run(tmp_path / "decoded.onnx", feed), expected)


@pytest.mark.parametrize("graft", GRAFTS, ids=["yolo_layer", "onnx"])
@pytest.mark.parametrize(("batch", "size"), [(1, (32, 32)), (2, (64, 96)), (3, (96, 32))])
def test_dynamic_axes(tmp_path, graft, batch, size):
    model = write_heads(tmp_path / "heads.onnx", dynamic=True)
    graft.append(model, head_for(model), tmp_path / "decoded.onnx", score_threshold=0.25)
    feed = images(model, batch, size)
    assert_equal_to_twin(run(tmp_path / "decoded.onnx", feed), twin(model, feed, 0.25))


@pytest.mark.parametrize("opset", [13, 17, 18, 21])
@pytest.mark.parametrize("classes", [1, 80])
def test_opsets_and_class_counts(tmp_path, opset, classes):
    model = write_heads(tmp_path / "heads.onnx", opset=opset, classes=classes)
    YoloLayerGraft(YoloLayerOptions()).append(model, head_for(model), tmp_path / "decoded.onnx", score_threshold=0.25)
    onnx.checker.check_model(onnx.load(tmp_path / "decoded.onnx"), full_check=True)
    feed = images(model, 1)
    assert_equal_to_twin(run(tmp_path / "decoded.onnx", feed), twin(model, feed, 0.25))


def test_node_is_the_contract(tmp_path):
    model = write_heads(tmp_path / "heads.onnx")
    operators = YoloLayerGraft(YoloLayerOptions()).append(
        model, head_for(model), tmp_path / "d.onnx", score_threshold=0.25
    )
    graph = onnx.load(tmp_path / "d.onnx")
    node = graph.graph.node[-1]
    assert operators == ()
    assert (node.op_type, node.domain) == ("YoloLayer_TRT", "hookline")
    assert list(node.input) == ["p3", "p4", "p5"]
    assert list(node.output) == list(OUTPUTS)
    anchors = [value for level in model.facts.head["anchors"] for value in level]
    assert {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute} == {
        "max_stride": 32,
        "num_classes": 4,
        "anchors": pytest.approx(anchors),
        "prenms_score_threshold": 0.25,
        "plugin_namespace": b"hookline",
        "plugin_version": b"1",
    }
    assert [(item.name, item.domain) for item in graph.functions] == [("YoloLayer_TRT", "hookline")]
    assert sorted(item.domain for item in graph.opset_import) == ["", "hookline"]
    rows = 3 * (8 * 12 + 4 * 6 + 2 * 3)
    shapes = [[dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in graph.graph.output]
    assert shapes == [[1, 1], [1, rows, 4], [1, rows], [1, rows]]


def test_plain_graft_has_standard_operators_only(tmp_path):
    model = write_heads(tmp_path / "heads.onnx")
    assert OnnxGraft().append(model, head_for(model), tmp_path / "d.onnx", score_threshold=0.25) == ()
    graph = onnx.load(tmp_path / "d.onnx")
    assert {node.domain for node in graph.graph.node} == {""}
    assert not graph.functions


def test_bare_node_for_existing_builds_of_the_plugin(tmp_path):
    model = write_heads(tmp_path / "heads.onnx")
    operators = YoloLayerGraft(YoloLayerOptions("")).append(
        model, head_for(model), tmp_path / "d.onnx", score_threshold=0.25
    )
    graph = onnx.load(tmp_path / "d.onnx")
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in graph.graph.node[-1].attribute}
    assert operators == ("YoloLayer_TRT",)
    assert graph.graph.node[-1].domain == ""
    assert not graph.functions
    assert attributes["plugin_namespace"] == b""


@pytest.mark.parametrize("tool", ["onnxsim", "graphsurgeon"])
def test_node_and_function_survive_other_tools(tmp_path, tool):
    model = write_heads(tmp_path / "heads.onnx")
    YoloLayerGraft(YoloLayerOptions()).append(model, head_for(model), tmp_path / "d.onnx", score_threshold=0.25)
    before = onnx.load(tmp_path / "d.onnx")
    after = onnxsim.simplify(before)[0] if tool == "onnxsim" else gs.export_onnx(gs.import_onnx(before))
    (node,) = (node for node in after.graph.node if node.op_type == "YoloLayer_TRT")
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    expected = {item.name: onnx.helper.get_attribute_value(item) for item in before.graph.node[-1].attribute}
    assert attributes == expected
    assert [item.name for item in after.functions] == ["YoloLayer_TRT"]
    feed = images(model, 1)
    assert_equal_to_twin(run(after.SerializeToString(), feed), twin(model, feed, 0.25))


def test_refuses_what_has_no_heads(tmp_path):
    model = write_heads(tmp_path / "heads.onnx")
    YoloLayerGraft(YoloLayerOptions()).append(model, head_for(model), tmp_path / "d.onnx", score_threshold=0.25)
    cases = {
        "is already grafted": replace(model, path=tmp_path / "d.onnx"),
        "cannot decode the layout 'classic' of the family 'yolov5'": replace(model, layout="classic"),
        "its anchors and classes need 24": replace(model, facts=replace(model.facts, names=("a", "b", "c"))),
        "but the graft needs p3, p4, p5; export it": write_heads(tmp_path / "four.onnx", levels=4, facts=model.facts),
        "opset 12": write_heads(tmp_path / "old.onnx", opset=12),
    }
    for message, wrong in cases.items():
        with pytest.raises(HooklineError, match=message):
            YoloLayerGraft(YoloLayerOptions()).append(wrong, head_for(wrong), tmp_path / "x.onnx", score_threshold=0.25)
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.parametrize("kept", [0, 40, 700])
def test_refuses_a_damaged_file(tmp_path, kept):
    model = write_heads(tmp_path / "heads.onnx")
    model.path.write_bytes(model.path.read_bytes()[:kept])
    with pytest.raises(HooklineError, match="damaged or not an ONNX model"):
        YoloLayerGraft(YoloLayerOptions()).append(model, head_for(model), tmp_path / "x.onnx", score_threshold=0.25)
