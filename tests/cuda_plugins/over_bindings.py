"""The ahead-of-time form, called by ``tensorrt.plugin`` itself; test_bindings.py runs this over the real bindings."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest

from core.errors import HooklineError
from cuda_plugins import yolo_layer as yolo_layer_launch
from cuda_plugins import yolo_layer_aot, yolo_layer_plugin
from cuda_plugins.signature import OUTPUTS
from tests.cuda_plugins.fake_trt import Registry
from tests.cuda_plugins.test_yolo_layer_aot import settings_for


class Expr:
    """A known dimension: an IDimensionExpr without TensorRT."""

    def __init__(self, value: int) -> None:
        self.value = value

    def is_constant(self) -> bool:
        return True

    def get_constant_value(self) -> int:
        return self.value


class Builder:
    """An IExprBuilder without TensorRT."""

    def __init__(self, trt) -> None:
        kinds = trt.DimensionOperation
        self.operations = {
            kinds.SUM: lambda one, other: one + other,
            kinds.PROD: lambda one, other: one * other,
            kinds.MIN: min,
            kinds.CEIL_DIV: lambda one, other: -(-one // other),
        }

    def constant(self, value: int) -> Expr:
        return Expr(value)

    def operation(self, kind, one: Expr, other: Expr) -> Expr:
        return Expr(self.operations[kind](one.value, other.value))


class Setter(dict):
    """An ISymExprs without TensorRT."""

    nbSymExprs = 0


@pytest.fixture(scope="module")
def trt():
    """The real module with the plugin registered, and with numbers as expressions."""
    import tensorrt

    symbols = importlib.import_module(f"{tensorrt.__name__}.plugin").SymInt32.__call__.__globals__
    registry = Registry()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensorrt, "get_plugin_registry", lambda: registry)
        patch.setattr(tensorrt, "IDimensionExpr", Expr)
        patch.setattr(tensorrt, "DimsExprs", lambda length: [None] * length)
        patch.setitem(symbols, "SymExprImpl", lambda symbol: symbol._expr.value)
        yolo_layer_aot.register(tensorrt, "12")
        yolo_layer_aot.register(tensorrt, "12")
        yield tensorrt


def make(trt, settings):
    fields = yolo_layer_plugin.fields_of(trt, settings)  # a collection does not keep them
    (creator,) = trt.get_plugin_registry().all_creators
    request = trt.QuickPluginCreationRequest.UNKNOWN
    collection = trt.PluginFieldCollection(fields)
    return creator.create_plugin("YoloLayer_TRT", "hookline", collection, trt.TensorRTPhase.BUILD, request)


def describe(trt, plugin, shapes, kind):
    """Ask for types and shapes of the outputs, as TensorRT does first."""
    types = plugin.get_output_data_types([kind] * len(shapes), [4] * len(shapes))
    inputs = [[Expr(size) for size in shape] for shape in shapes]
    return types, plugin.get_output_shapes(inputs, [], Builder(trt))


def described(trt, shape, kind):
    tensor = trt.DynamicPluginTensorDesc()
    tensor.desc.dims, tensor.desc.type, tensor.desc.format = list(shape), kind, trt.TensorFormat.LINEAR
    return tensor


SHAPES = [(2, 27, 80, 96), (2, 27, 40, 48), (2, 27, 20, 24), (2, 27, 10, 12)]


def test_one_creator_of_our_name(trt):
    (creator,) = trt.get_plugin_registry().all_creators
    assert (creator.name, creator.plugin_version, creator.plugin_namespace) == ("YoloLayer_TRT", "1", "hookline")
    names = [field.name for field in creator.field_names]
    assert names == ["max_stride", "num_classes", "anchors", "prenms_score_threshold"]
    assert yolo_layer_plugin.registered_form(trt) == "ahead of time"
    with pytest.raises(HooklineError, match="ahead-of-time form of hookline::YoloLayer_TRT is already registered"):
        yolo_layer_plugin.register(trt)


@pytest.mark.parametrize("levels", [1, 3, 4])
def test_outputs(trt, levels):
    shapes = SHAPES[:levels]
    types, found = describe(trt, make(trt, settings_for(levels)), shapes, trt.DataType.FLOAT)
    rows = 3 * sum(shape[2] * shape[3] for shape in shapes)
    assert types == [trt.DataType.INT32, trt.DataType.FLOAT, trt.DataType.FLOAT, trt.DataType.INT32]
    assert [[size.value for size in shape] for shape in found] == [[2, 1], [2, rows, 4], [2, rows], [2, rows]]


def test_channels_must_fit(trt):
    with pytest.raises(HooklineError, match="24, -1, -1"):
        describe(trt, make(trt, settings_for(3)), [*SHAPES[:2], (2, 24, 20, 24)], trt.DataType.FLOAT)


@pytest.mark.parametrize("levels", [3, 4])
def test_float_and_half_are_offered(trt, levels):
    plugin, shapes = make(trt, settings_for(levels)), SHAPES[:levels]
    describe(trt, plugin, shapes, trt.DataType.FLOAT)
    tensors = [described(trt, shape, trt.DataType.FLOAT) for shape in shapes] + [
        described(trt, (2, 1), trt.DataType.FLOAT) for _ in OUTPUTS
    ]
    found = plugin.get_supported_format_combinations(tensors, levels)
    types = [desc.type for desc in found]
    outputs = [trt.DataType.INT32, trt.DataType.FLOAT, trt.DataType.FLOAT, trt.DataType.INT32]
    assert types == [trt.DataType.FLOAT] * levels + outputs + [trt.DataType.HALF] * levels + outputs
    assert {desc.format for desc in found} == {trt.TensorFormat.LINEAR}


@pytest.mark.parametrize(("levels", "batch", "scale", "parts"), [(3, 2, 1, 30), (4, 2, 2, 32), (3, 40, 1, 14)])
@pytest.mark.parametrize("half", [False, True])
def test_launch_and_kernel(trt, levels, batch, scale, parts, half, monkeypatch):  # noqa: PLR0917
    seen = []
    monkeypatch.setattr(yolo_layer_aot, "compiled", lambda *wanted: seen.append(wanted) or b"ptx")
    plugin = make(trt, settings_for(levels))
    shapes = [(batch, 27, scale * height, scale * width) for _, _, height, width in SHAPES[:levels]]
    kind = trt.DataType.HALF if half else trt.DataType.FLOAT
    _, outputs = describe(trt, plugin, shapes, kind)
    kinds = [kind] * levels + plugin.output_types
    sizes = [*shapes, *([size.value for size in shape] for shape in outputs)]
    tensors = [described(trt, shape, kind) for shape, kind in zip(sizes, kinds, strict=True)]
    launch, extra = SimpleNamespace(), Setter()
    plugin.set_tactic(0)
    plugin.get_launch_params(None, tensors, levels, launch, extra, Builder(trt))
    assert (launch.block_x, launch.block_y, launch.block_z, launch.shared_mem) == (512, 1, 1, 0)
    assert (launch.grid_x, launch.grid_y, launch.grid_z) == (parts, batch, 1)
    assert parts == yolo_layer_launch.parts(outputs[2][1].value, batch)
    assert extra.nbSymExprs == 2 * levels
    assert list(extra.values()) == [size for shape in shapes for size in shape[2:]]
    assert seen == [(settings_for(levels), levels, half, "12")]
    descs = [tensor.desc for tensor in tensors]
    assert plugin.get_kernel(descs[:levels], descs[levels:]) == ("yolo_layer_aot", b"ptx")
