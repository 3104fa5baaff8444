"""Q/DQ graphs: positions of the pairs per style, agreement with float, and refusals."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from backends.graphsurgeon.activation_ranges import vanishing_point
from backends.graphsurgeon.pairs import half_scales
from backends.graphsurgeon.qdq import insert_qdq
from backends.ort.options import STYLE
from backends.trt.options import STYLE as TENSORRT
from core.errors import HooklineError
from core.kinds.quantizer import QdqStyle
from tests.support.quantize_tools import full_range, pictures, run, seen_ranges, tiny_detector

PLAIN = replace(STYLE, pointwise=False, copied_pixels=False, channels_last=False)
"""The style of ONNX Runtime without rewrites that move pairs."""
STYLES = [STYLE, PLAIN, TENSORRT]
IDS = ["onnxruntime", "plain", "tensorrt"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return onnx.load(tiny_detector(tmp_path_factory.mktemp("tiny") / "tiny.onnx").path)


@pytest.fixture(scope="module")
def ranges(model):
    return seen_ranges(model)


def constants(graph):
    return {item.name: numpy_helper.to_array(item) for item in graph.graph.initializer}


def maker(graph):
    return {name: node for node in graph.graph.node for name in node.output}


def scale_of(graph, name):
    """Return the scale and zero point of the DQ with the output ``name``."""
    node = maker(graph)[name]
    assert node.op_type == "DequantizeLinear", f"{name} is given by {node.op_type}"
    values = constants(graph)
    return values[node.input[1]], values[node.input[2]]


def nodes_of(graph, kind):
    return [node for node in graph.graph.node if node.op_type == kind]


@pytest.mark.parametrize("style", STYLES, ids=IDS)
def test_result_agrees_with_float(model, ranges, style):
    quantised = insert_qdq(model, ranges, style)
    onnx.checker.check_model(quantised, full_check=True)
    for feed in pictures(4, seed=9)[:, None]:
        for exact, rounded in zip(run(model, feed), run(quantised, feed), strict=True):
            assert rounded.dtype == np.float32
            assert np.abs(exact - rounded).max() < 0.08
            assert np.abs(exact - rounded).mean() < 0.015


@pytest.mark.parametrize("style", [PLAIN, TENSORRT], ids=IDS[1:])
def test_heads_stay_float_and_the_rest_does_not(model, ranges, style):
    quantised = insert_qdq(model, ranges, style)
    made = maker(quantised)
    for node in nodes_of(quantised, "Conv"):
        integer = made.get(node.input[1]) is not None
        name = node.name.split("/")[1]
        assert integer == (not name.startswith("head") and not (style.float_stem and name.startswith("stem"))), name
    for node in nodes_of(quantised, "Sigmoid")[-2:]:
        assert made[node.input[0]].op_type == "Conv"


@pytest.mark.parametrize("style", STYLES, ids=IDS)
def test_weights_are_int8_by_channel_and_scales_positive(model, ranges, style):
    quantised, original = insert_qdq(model, ranges, style), constants(model)
    values = constants(quantised)
    for node in nodes_of(quantised, "DequantizeLinear"):
        assert (values[node.input[1]] > 0).all()
        if node.input[0] in values and values[node.input[0]].dtype == np.int8:
            integers, scales = values[node.input[0]], values[node.input[1]]
            assert scales.shape == (len(integers),)
            assert not values[node.input[2]].any()
            name = node.output[0].split("/")[-1].removesuffix("_dequantized")
            restored = integers * scales.astype(np.float32)[:, None, None, None]
            assert np.abs(restored - original[name]).max() <= scales.max() / 2 * 1.001


def test_tensorrt_computes_in_float16_what_is_not_int8(model, ranges):
    """The network is strongly typed: tensors that are float32 in the graph stay float32."""
    quantised = insert_qdq(model, ranges, TENSORRT)
    assert [(item.domain, item.version) for item in quantised.opset_import] == [("", 19)]
    assert {item.key for item in quantised.metadata_props} == {"stride", "names", "hookline"}
    floats = {name for name, value in constants(quantised).items() if value.dtype == np.float32}
    assert floats == {"factors"}  # of Resize
    casts = {node.input[0]: node.output[0] for node in nodes_of(quantised, "Cast")}
    assert len(casts) == 3
    assert "images" in casts
    assert {"p3", "p4"} <= set(casts.values())
    tensors = [*quantised.graph.input, *quantised.graph.output]
    assert {item.type.tensor_type.elem_type for item in tensors} == {onnx.TensorProto.FLOAT}


def test_a_scale_of_float16_is_the_next_one_that_is_not_smaller():
    scales = np.array([1e-9, 1e-8, 6e-8, 9e-5, 0.0123, 1 / 127, 1.0, 2.0005], np.float32)
    found = half_scales(scales)
    assert (found >= scales).all()
    assert (found == found.astype(np.float16)).all()
    below = np.nextafter(found.astype(np.float16), np.float16(0)).astype(np.float32)
    assert (below < scales).all()


def test_a_newer_opset_is_kept(tmp_path):
    newer = onnx.load(tiny_detector(tmp_path / "newer.onnx", opset=20).path)
    quantised = insert_qdq(newer, seen_ranges(newer), TENSORRT)
    assert quantised.opset_import[0].version == 20
    assert {item.key for item in quantised.metadata_props} == {"stride", "names", "hookline"}


@pytest.mark.parametrize("style", [PLAIN, TENSORRT], ids=IDS[1:])
def test_one_scale_over_concat_pool_and_resize(model, ranges, style):
    quantised = insert_qdq(model, ranges, style)
    followers = {node.input[0]: node for node in nodes_of(quantised, "QuantizeLinear")}
    for kind in ("Concat", "MaxPool", "Resize"):
        for node in nodes_of(quantised, kind):
            data = node.input if kind == "Concat" else node.input[:1]
            pairs = [scale_of(quantised, name) for name in data]
            after = followers[node.output[0]]
            pairs.append((constants(quantised)[after.input[1]], constants(quantised)[after.input[2]]))
            assert len(set(map(str, pairs))) == 1, kind


def test_tensorrt_takes_symmetric_int8_and_no_quantised_bias(model, ranges):
    quantised = insert_qdq(model, ranges, TENSORRT)
    values = constants(quantised)
    for node in nodes_of(quantised, "QuantizeLinear"):
        assert values[node.input[2]].dtype == np.int8
        assert values[node.input[2]] == 0
    assert not any(value.dtype == np.int32 for value in values.values())
    x = "images"
    assert values[f"{x}_scale"] == half_scales(np.float32(ranges[x].amax / 127))


def test_tensorrt_quantises_the_shortcut_of_an_add_only(model, ranges):
    quantised = insert_qdq(model, ranges, TENSORRT)
    (add,) = nodes_of(quantised, "Add")
    kinds = [maker(quantised)[name].op_type for name in add.input]
    assert kinds == ["DequantizeLinear", "Mul"]
    for node in nodes_of(quantised, "Sigmoid"):
        assert maker(quantised)[node.input[0]].op_type == "Conv"


def test_onnxruntime_fuses_every_pair(model, ranges, tmp_path):
    kinds = kinds_after_optimisation(insert_qdq(model, ranges, PLAIN), tmp_path)
    assert kinds["QLinearConv"] == 8
    assert kinds["QLinearConcat"] == 3
    assert kinds["QLinearAdd"] == 1
    assert kinds["QuickGelu"] == 9
    # A DQ before each SiLU but the stem's, a Q after each but the last, which a head reads: no other rescaling.
    assert kinds["QuantizeLinear"] == kinds["DequantizeLinear"] == 8


def test_onnxruntime_rounds_no_result_of_a_pointwise_convolution(model, ranges, tmp_path):
    kinds = kinds_after_optimisation(insert_qdq(model, ranges, STYLE), tmp_path)
    assert kinds["QLinearConv"] == 4
    assert kinds["MatMulIntegerToFloat"] == 4
    assert kinds["Resize"] == 0
    assert kinds["QLinearConcat"] == 3
    assert kinds["QLinearAdd"] == 1
    assert kinds["QuickGelu"] == 9
    # A DQ for each 3x3 convolution, a Q after each SiLU; a layout changes in front of one head only, the rest
    # happens while blocked floats are reordered.
    assert kinds["DequantizeLinear"] == 4
    assert kinds["QuantizeLinear"] == 8
    assert kinds["Transpose"] == 1
    assert kinds["Conv"] == 3  # the stem and two heads


def kinds_after_optimisation(quantised, folder):
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(quantised.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node)


def test_pointwise_convolutions_keep_weights_and_bias(model, ranges):
    quantised, original = insert_qdq(model, ranges, STYLE), constants(model)
    values = constants(quantised)
    products = nodes_of(quantised, "MatMulIntegerToFloat")
    assert {node.name.split("/")[1] for node in products} == {
        "b1.x",
        "side.x",
        "fuse.x",
        "after.x",
    }
    for node in products:
        matrix, scales, zero, bias = (values[node.input[index]] for index in (1, 3, 5, 6))
        name = node.name.split("/")[1].removesuffix(".x")
        exact = original[f"{name}.weight"][:, :, 0, 0].T
        assert np.abs(matrix * scales - exact).max() <= scales.max() / 2 * 1.001
        assert not zero.any()
        np.testing.assert_array_equal(bias, original[f"{name}.bias"])


def test_dynamic_sizes_keep_resize_and_still_agree(model, ranges):
    dynamic = with_dynamic_sizes(model)
    quantised = insert_qdq(dynamic, ranges, STYLE)
    assert len(nodes_of(quantised, "Resize")) == 1
    feed = np.concatenate([pictures(2, seed=3), pictures(2, seed=4)], axis=3)
    for exact, rounded in zip(run(dynamic, feed), run(quantised, feed), strict=True):
        assert rounded.shape == exact.shape
        assert np.abs(exact - rounded).max() < 0.08


def with_dynamic_sizes(model):
    free = onnx.ModelProto()
    free.CopyFrom(model)
    for value in [*free.graph.input, *free.graph.output]:
        for axis, name in ((0, "batch"), (2, f"{value.name}_height"), (3, f"{value.name}_width")):
            value.type.tensor_type.shape.dim[axis].dim_param = name
    del free.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(free)


@pytest.mark.parametrize(
    ("float_channels", "floats"),
    [(0, {"stem"}), (8, {"stem"}), (12, {"stem", "down"}), (16, {"stem"})],
)
def test_float_channels_reach_to_the_first_wider_convolution(model, ranges, float_channels, floats):
    """The second convolution has 12 output channels here; if no convolution has more, only the stem is float."""
    narrow = with_narrow_start(model, 12)
    quantised = insert_qdq(narrow, ranges, replace(PLAIN, float_channels=float_channels))
    made = maker(quantised)
    found = {node.name.split("/")[1] for node in nodes_of(quantised, "Conv") if node.input[1] not in made}
    assert found - {"head3.x", "head4.x"} == {f"{name}.x" for name in floats}


def with_narrow_start(model, channels):
    """Return ``model`` with a reduced number of channels in the convolutions "down" and their consumers."""
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    for tensor in cut.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name in {"down.weight", "down.bias", "b2.weight", "b2.bias"}:
            values = values[:channels]
        if tensor.name in {"b1.weight", "side.weight"}:
            values = values[:, :channels]
        if tensor.name == "fuse.weight":
            values = values[:, : channels + 16]
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
    del cut.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(cut)


def test_onnxruntime_spreads_the_range_over_uint8(model, ranges):
    quantised = insert_qdq(model, ranges, STYLE)
    values = constants(quantised)
    scale, zero_point = values["stem.y_scale"], values["stem.y_zero_point"]
    found = ranges["stem.y"]
    assert zero_point.dtype == np.uint8
    assert scale == pytest.approx((found.high - found.low) / 255)
    assert zero_point == round(-found.low / scale)


def test_silu_input_is_clipped_where_the_result_vanishes(model, ranges):
    wide = ranges | {"down.x": replace(ranges["down.x"], low=-40.0, min=-40.0)}
    values = constants(insert_qdq(model, wide, STYLE))
    step = (ranges["down.y"].high - ranges["down.y"].low) / 255
    low = -float(values["down.x_zero_point"]) * float(values["down.x_scale"])
    assert low == pytest.approx(vanishing_point(step / 2), abs=float(values["down.x_scale"]))
    assert -12 < low < -4


@pytest.mark.parametrize("size", [1e-4, 1e-3, 0.01, 0.1, 0.27])
def test_vanishing_point_solves_silu(size):
    x = vanishing_point(size)
    assert x < -1.278
    assert x / (1 + np.exp(-x)) == pytest.approx(-size, rel=1e-4)


def test_vanishing_point_is_at_most_the_minimum():
    assert vanishing_point(1.0) == pytest.approx(-1.2784645, abs=1e-5)


def test_dead_tensors_and_channels_get_a_scale(model, ranges):
    broken = onnx.ModelProto()
    broken.CopyFrom(model)
    for tensor in broken.graph.initializer:
        if tensor.name == "b1.weight":
            values = numpy_helper.to_array(tensor).copy()
            values[3] = 0.0
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    dead = ranges | {"b1.y": full_range(0.0, 0.0)}
    for style in STYLES:
        quantised = insert_qdq(broken, dead, style)
        values = constants(quantised)
        assert all((value > 0).all() for name, value in values.items() if name.endswith("_scale"))
        assert all(np.isfinite(item).all() for item in run(quantised, pictures(1)))
    bias = constants(insert_qdq(broken, dead, STYLE))
    restored = bias["/b2.x/Conv/b2.bias_quantized"] * bias["/b2.x/Conv/b2.bias_scale"].astype(np.float64)
    np.testing.assert_allclose(restored, constants(model)["b2.bias"], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("style", STYLES, ids=IDS)
def test_same_bytes_every_time_and_metadata_kept(model, ranges, style):
    first, second = (insert_qdq(model, ranges, style).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    kept = {item.key: item.value for item in onnx.load_from_string(first).metadata_props}
    assert kept == {"stride": "8", "names": "{0: 'a', 1: 'b'}", "hookline": "{}"}


@pytest.mark.parametrize("style", STYLES, ids=IDS)
def test_the_model_given_is_not_changed(model, ranges, style):
    before = model.SerializeToString(deterministic=True)
    insert_qdq(model, ranges, style)
    assert model.SerializeToString(deterministic=True) == before


def test_missing_or_broken_ranges_name_the_tensor(model, ranges):
    with pytest.raises(HooklineError, match=r"no range for tensor 'b2\.x'"):
        insert_qdq(model, {name: value for name, value in ranges.items() if name != "b2.x"}, STYLE)
    with pytest.raises(HooklineError, match=r"range of tensor 'deep\.y' .* is not finite"):
        insert_qdq(model, ranges | {"deep.y": full_range(0.0, float("nan"))}, TENSORRT)


def test_broken_weights_name_the_node(model, ranges):
    broken = onnx.ModelProto()
    broken.CopyFrom(model)
    for tensor in broken.graph.initializer:
        if tensor.name == "side.weight":
            tensor.CopyFrom(numpy_helper.from_array(np.full((16, 16, 1, 1), np.nan, np.float32), tensor.name))
    with pytest.raises(HooklineError, match=r"weight of '/side\.x/Conv' contains NaN"):
        insert_qdq(broken, ranges, STYLE)


def test_opset_and_graphs_without_inner_convolutions_are_refused(tmp_path, ranges):
    old = onnx.load(tiny_detector(tmp_path / "old.onnx", opset=12).path)
    with pytest.raises(HooklineError, match="opset 12; int8 needs 13"):
        insert_qdq(old, ranges, STYLE)
    one = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Conv", ["images", "w"], ["p3"])],
            "one",
            [onnx.helper.make_tensor_value_info("images", 1, [1, 3, 8, 8])],
            [onnx.helper.make_tensor_value_info("p3", 1, [1, 4, 8, 8])],
            [numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), "w")],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
    )
    with pytest.raises(HooklineError, match="no convolution to quantise"):
        insert_qdq(one, ranges, STYLE)


def test_one_scale_per_tensor(model, ranges):
    quantised = insert_qdq(model, ranges, QdqStyle(per_channel=False))
    scale, zero_point = scale_of(quantised, "/b1.x/Conv/b1.weight_dequantized")
    assert scale.shape == zero_point.shape == ()
    assert scale == scale_of(insert_qdq(model, ranges, QdqStyle()), "/b1.x/Conv/b1.weight_dequantized")[0].max()
    assert not [node.attribute for node in nodes_of(quantised, "DequantizeLinear") if node.attribute]
    for exact, found in zip(run(model, pictures(1)), run(quantised, pictures(1)), strict=True):
        assert np.abs(exact - found).max() <= 0.12


@pytest.mark.parametrize(("given", "needed"), [("half", "symmetric"), ("channels_last", "fused_silu")])
def test_a_style_that_contradicts_itself(given, needed):
    with pytest.raises(ValueError, match=f"{given}=True\\) needs {needed}=True"):
        QdqStyle(**{given: True, needed: False})
