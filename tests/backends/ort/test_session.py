"""Sessions: batches of any size, damaged files, devices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from backends.graphsurgeon.options import YoloLayerOptions
from backends.graphsurgeon.qdq import insert_qdq
from backends.graphsurgeon.yolo_layer import YoloLayerGraft
from backends.ort.options import OrtOptions
from backends.ort.plugin import load
from backends.trt.options import STYLE as TENSORRT
from core.artifacts import QuantizedModel
from core.errors import HooklineError
from core.model_facts import DECODED, Precision
from cuda_plugins.signature import NUM
from tests.support import grid_family
from tests.support.heads_tools import grafted, head_for, images, write_heads
from tests.support.quantize_tools import pictures, seen_ranges, tiny_detector


@pytest.fixture
def runtime():
    return load(OrtOptions(threads=1))


def test_session_has_the_facts_of_the_artifact(tmp_path, runtime):
    model = write_heads(tmp_path / "heads.onnx")
    YoloLayerGraft(YoloLayerOptions()).append(model, head_for(model), tmp_path / "d.onnx", score_threshold=0.4)
    with runtime.open(model, device="cpu") as heads:
        assert (heads.facts, heads.contract, heads.layout) == (model.facts, model.contract, "heads")
        assert heads.score_threshold == 0.0
    with runtime.open(grafted(model, tmp_path / "d.onnx", 0.4), device="auto") as decoded:
        assert (decoded.layout, decoded.score_threshold) == (DECODED, 0.4)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 9])
@pytest.mark.parametrize("decoded", [False, True])
def test_a_static_batch_accepts_any_number_of_images(tmp_path, runtime, count, decoded):
    static, single = write_heads(tmp_path / "four.onnx", batch=4), write_heads(tmp_path / "one.onnx")
    if decoded:
        for model in (static, single):
            YoloLayerGraft(YoloLayerOptions()).append(
                model, head_for(model), model.path.with_suffix(".d"), score_threshold=0.25
            )
        static, single = (grafted(model, model.path.with_suffix(".d")) for model in (static, single))
    feed = images(static, count)
    with runtime.open(static, device="cpu") as session, runtime.open(single, device="cpu") as one:
        outputs = session.run(feed)
        for index in range(count):
            for name, value in one.run(feed[index : index + 1]).items():
                assert outputs[name].shape == (count, *value.shape[1:])
                np.testing.assert_allclose(outputs[name][index], value[0], atol=1e-4)
        assert not decoded or outputs[NUM].min() > 0


def test_dynamic_size(tmp_path, runtime):
    with runtime.open(write_heads(tmp_path / "heads.onnx", dynamic=True), device="cpu") as session:
        assert session.run(np.zeros((2, 3, 96, 32), np.float32))["p5"].shape == (2, 27, 3, 1)
        assert session.run(np.zeros((1, 3, 32, 64), np.float32))["p3"].shape == (1, 27, 4, 8)


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (1, 1, 64, 96), (0, 3, 64, 96), (3, 64, 96)])
def test_a_wrong_shape_is_refused(tmp_path, runtime, shape):
    with (
        runtime.open(write_heads(tmp_path / "heads.onnx"), device="cpu") as session,
        pytest.raises(HooklineError, match=r"does not fit the model; it accepts \[any, 3, 64, 96\]"),
    ):
        session.run(np.zeros(shape, np.float32))


def test_closed_session_is_a_bug(tmp_path, runtime):
    model = write_heads(tmp_path / "heads.onnx")
    with runtime.open(model, device="cpu") as session:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        session.run(images(model, 1))


@pytest.mark.parametrize("kept", [0, 40, 700])
def test_damaged_file(tmp_path, runtime, kept):
    model = write_heads(tmp_path / "heads.onnx")
    model.path.write_bytes(model.path.read_bytes()[:kept])
    with pytest.raises(HooklineError, match="damaged"):
        runtime.open(model, device="cpu")


def test_missing_file_and_missing_operator(tmp_path, runtime):
    model = write_heads(tmp_path / "heads.onnx")
    YoloLayerGraft(YoloLayerOptions("")).append(model, head_for(model), tmp_path / "bare.onnx", score_threshold=0.25)
    with pytest.raises(HooklineError, match=r"YoloLayer_TRT.*grafts\.yolo_layer\.namespace=hookline"):
        runtime.open(grafted(model, tmp_path / "bare.onnx"), device="cpu")
    with pytest.raises(HooklineError, match="does not exist"):
        runtime.open(grafted(model, tmp_path / "absent.onnx"), device="cpu")


@pytest.mark.parametrize("device", ["cuda:0", "0", "gpu"])
def test_other_devices_are_refused(tmp_path, runtime, device):
    with pytest.raises(HooklineError, match=f"not on '{device}'"):
        runtime.open(write_heads(tmp_path / "heads.onnx"), device=device)


def test_threads_may_sleep_at_once(tmp_path):
    model = write_heads(tmp_path / "heads.onnx")
    with load(OrtOptions(threads=2, spin=0)).open(model, device="cpu") as session:
        assert session.run(images(model, 1))


def test_input_of_another_name(tmp_path, runtime):
    model = write_heads(tmp_path / "heads.onnx")
    other = replace(model, contract=replace(model.contract, name="data"))
    with pytest.raises(HooklineError, match="no input 'data'"):
        runtime.open(other, device="cpu")


def test_a_model_in_int8_for_another_runtime_is_computed_as_it_is_written(tmp_path, runtime):
    """A model for TensorRT has float16 between its Q/DQ pairs, which ONNX Runtime's fusions make invalid."""
    model = tiny_detector(tmp_path / "tiny.onnx")
    exact, target = onnx.load(model.path), tmp_path / "int8.onnx"
    onnx.save(insert_qdq(exact, seen_ranges(exact), TENSORRT), target)
    fields = {"facts": model.facts, "contract": model.contract, "layout": model.layout}
    quantized = QuantizedModel(path=target, runtime="tensorrt", precision=Precision.int8, **fields)
    with runtime.open(quantized, device="cpu") as session, runtime.open(model, device="cpu") as reference:
        found, expected = session.run(pictures(1)), reference.run(pictures(1))
        assert {name: values.dtype for name, values in found.items()} == {"p3": np.float32, "p4": np.float32}
        for name, values in expected.items():
            assert 0 < np.abs(found[name] - values).max() < 0.08
    ours = replace(quantized, runtime="onnxruntime")
    with pytest.raises(HooklineError, match="ONNX Runtime cannot open"):
        runtime.open(ours, device="cpu")


def test_a_decode_that_does_not_fit_the_facts(tmp_path, runtime):
    """A sidecar with fewer class names than the graph has, and one with another layout."""
    model = write_heads(tmp_path / "heads.onnx")
    YoloLayerGraft(YoloLayerOptions()).append(model, head_for(model), tmp_path / "d.onnx", score_threshold=0.0)
    fewer = replace(model, facts=replace(model.facts, names=model.facts.names[:1]))
    with (
        runtime.open(grafted(fewer, tmp_path / "d.onnx"), device="cpu") as session,
        pytest.raises(HooklineError, match=r"'d.onnx' outputs a box with class id 3, but has 1 class"),
    ):
        session.run(images(model, 1))
    with runtime.open(fewer, device="cpu") as session:
        session.expect(head_for(fewer))
        with pytest.raises(HooklineError, match=r"'p3' of 'heads.onnx' is \[1, 27, 8, 12\], not \[1, 18, 8, 12\]"):
            session.run(images(model, 1))
    with pytest.raises(HooklineError, match=r"'heads.onnx' has no output"):
        runtime.open(replace(model, layout=DECODED), device="cpu")
    with (
        runtime.open(replace(model, layout="classic"), device="cpu") as session,
        pytest.raises(HooklineError, match=r"'heads.onnx' has outputs \['p3', 'p4', 'p5'\], not one"),
    ):
        session.expect(head_for(session))


def test_outputs_without_anchors(tmp_path, runtime):
    """A family with another head than YOLOv5: names and shapes are those of its head."""
    model = grid_family.write_onnx(tmp_path / "grid.onnx")
    blank = np.zeros((1, 3, 64, 96), np.float32)
    with runtime.open(model, device="cpu") as session:
        session.expect(grid_family.GridHead(model.facts))
        assert list(session.run(blank)) == ["s8", "s16"]
        session.expect(grid_family.GridHead(replace(model.facts, names=("person",))))
        with pytest.raises(HooklineError, match=r"output 's8' of 'grid.onnx' is \[1, 6, 8, 12\], not \[1, 5, 8, 12\]"):
            session.run(blank)
        with pytest.raises(HooklineError, match=r"'grid.onnx' has no output 's32', only \['s8', 's16'\]"):
            session.expect(grid_family.GridHead(replace(model.facts, strides=(8, 16, 32))))


@pytest.mark.parametrize("half", ["input", "output", "both"])
def test_float16_at_the_borders_is_converted(tmp_path, runtime, half):
    model = tiny_detector(tmp_path / "tiny.onnx")
    with runtime.open(model, device="cpu") as session:
        expected = session.run(pictures(1))
    graph = onnx.load(model.path)
    if half != "output":
        _cast(graph, graph.graph.input[0], first=True)
    if half != "input":
        for value in graph.graph.output:
            _cast(graph, value, first=False)
    onnx.save(graph, tmp_path / "half.onnx")
    with runtime.open(replace(model, path=tmp_path / "half.onnx"), device="cpu") as session:
        for name, values in session.run(pictures(1)).items():
            assert values.dtype == np.float32
            np.testing.assert_allclose(values, expected[name], atol=2e-3)


def _cast(graph, value, *, first):
    """Make an input or output float16, with a Cast next to it."""
    name, inner = value.name, f"{value.name}_float"
    for node in graph.graph.node:
        names = node.input if first else node.output
        names[:] = [inner if item == name else item for item in names]
    value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    kind = onnx.TensorProto.FLOAT if first else onnx.TensorProto.FLOAT16
    ends = ([name], [inner]) if first else ([inner], [name])
    graph.graph.node.insert(0 if first else len(graph.graph.node), onnx.helper.make_node("Cast", *ends, to=kind))


def test_inputs_of_other_types_are_named(tmp_path, runtime):
    model = write_heads(tmp_path / "heads.onnx")
    graph = onnx.load(model.path)
    _cast(graph, graph.graph.input[0], first=True)
    graph.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    onnx.save(graph, model.path)
    with pytest.raises(HooklineError, match=r"input 'images' of 'heads.onnx' is tensor\(uint8\)"):
        runtime.open(model, device="cpu")
