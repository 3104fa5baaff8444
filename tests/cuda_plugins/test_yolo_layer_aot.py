"""The ahead-of-time form: its kernel on the CPU and by every compiler, its functions as ``tensorrt.plugin`` calls them.

The latter needs the real bindings: test_bindings.py runs this file over them.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import HooklineError, UnavailableError
from cuda_plugins import sources, yolo_layer_aot, yolo_layer_plugin
from cuda_plugins.signature import OUTPUTS
from cuda_plugins.yolo_layer import yolo_layer
from cuda_plugins.yolo_layer_settings import Settings
from tests.cuda_plugins import cpu
from tests.cuda_plugins.fake_trt import Registry
from tests.cuda_plugins.test_compile import ARCHITECTURES

ANCHORS = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326, 436, 615, 739, 380, 925, 792)
needs_bindings = pytest.mark.skipif(
    "HOOKLINE_REAL_BINDINGS" not in os.environ, reason="runs over the bindings of TensorRT, by test_bindings.py"
)


def settings_for(levels):
    return Settings(16, 4, ANCHORS[: 6 * levels], 0.375)


# --- the kernel ---------------------------------------------------------------------------------


def decode(heads, settings, grid, threads):
    """Launch the entry with the arguments that TensorRT gives it: inputs, heights and widths, outputs."""
    levels, half = len(heads), heads[0].dtype == np.float16
    compiled = cpu.library("yolo_layer", "yolo_layer_aot", yolo_layer_aot.defines(settings, levels, half))
    memory = [cpu.dirty(head.shape, head.dtype) for head in heads]
    for place, head in zip(memory, heads, strict=True):
        place[...] = head
    batch, rows = len(heads[0]), 3 * sum(head.shape[2] * head.shape[3] for head in heads)
    outputs = [cpu.dirty((batch, 1), np.int32), cpu.dirty((batch, rows, 4), np.float32)]
    outputs += [cpu.dirty((batch, rows), np.float32), cpu.dirty((batch, rows), np.int32)]
    arguments = [np.array([array.ctypes.data], np.uintp) for array in memory]
    arguments += [np.array([size], np.int32) for head in heads for size in head.shape[2:]]
    arguments += [np.array([array.ctypes.data], np.uintp) for array in outputs]
    cpu.run_with(compiled, grid, threads, arguments)
    return dict(zip(OUTPUTS, outputs, strict=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("levels", [1, 3, 4])
@pytest.mark.parametrize("parts", [1, 5])
def test_kernel_equals_the_twin(dtype, levels, parts):
    rng = np.random.default_rng(2)
    sizes = [(17, 9), (8, 5), (4, 3), (2, 2)][-levels:]
    heads = [rng.random((2, 27, *size), dtype=np.float32).astype(dtype) for size in sizes]
    settings = settings_for(levels)
    found = decode(heads, settings, (parts, 2, 1), (64, 1, 1))
    expected = yolo_layer(
        [head.astype(np.float32) for head in heads],
        max_stride=16,
        num_classes=4,
        anchors=settings.anchors,
        threshold=0.375,
    )
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_kernel_compiles_for_the_oldest_and_the_newest_gpu(tmp_path):
    compiler = shutil.which("nvcc")
    if compiler is None:
        pytest.skip("no nvcc (CUDA toolkit)")
    for levels, half in ((1, False), (3, False), (4, True)):
        text = yolo_layer_aot.defines(settings_for(levels), levels, half) + sources.source("yolo_layer")
        (tmp_path / f"{levels}.cu").write_text(text, encoding="utf-8")
    targets = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in (ARCHITECTURES[0], ARCHITECTURES[-1])]
    command = [compiler, "-fatbin", "-Werror=all-warnings", *sources.OPTIONS, *targets, "1.cu", "3.cu", "4.cu"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_ptx_holds_the_entry():
    ptx = compiled(settings_for(3), 3, False)
    assert b".target sm_75" in ptx
    assert b".entry yolo_layer_aot(" in ptx
    parameters = ptx.split(b".entry yolo_layer_aot(", 1)[1].split(b")", 1)[0]
    kinds = [line.split()[1] for line in parameters.strip().splitlines()]
    assert kinds == [b".u64"] * 3 + [b".u32"] * 6 + [b".u64"] * 4


def test_other_attributes_are_another_kernel():
    one, other = compiled(settings_for(3), 3, False), compiled(settings_for(3), 3, True)
    assert one != other
    assert compiled(Settings(16, 4, ANCHORS[:18], 0.5), 3, False) != one


def compiled(*arguments):
    try:
        return yolo_layer_aot.compiled(*arguments)
    except UnavailableError as error:
        pytest.skip(str(error))


# --- tensorrt.plugin -----------------------------------------------------------------------------


class Expr:
    """A dimension that is known: an IDimensionExpr without TensorRT."""

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
    """The real module with the plugin registered, and expressions that are numbers."""
    import tensorrt

    symbols = importlib.import_module(f"{tensorrt.__name__}.plugin").SymInt32.__call__.__globals__
    registry = Registry()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensorrt, "get_plugin_registry", lambda: registry)
        patch.setattr(tensorrt, "IDimensionExpr", Expr)
        patch.setattr(tensorrt, "DimsExprs", lambda length: [None] * length)
        patch.setitem(symbols, "SymExprImpl", lambda symbol: symbol._expr.value)
        yolo_layer_aot.register(tensorrt)
        yolo_layer_aot.register(tensorrt)
        yield tensorrt


def make(trt, settings):
    fields = yolo_layer_plugin.fields_of(trt, settings)  # a collection does not keep them
    (creator,) = trt.get_plugin_registry().all_creators
    request = trt.QuickPluginCreationRequest.UNKNOWN
    collection = trt.PluginFieldCollection(fields)
    return creator.create_plugin("YoloLayer_TRT", "hookline", collection, trt.TensorRTPhase.BUILD, request)


def describe(trt, plugin, shapes, kind):
    """What TensorRT asks first: types and shapes of the outputs."""
    types = plugin.get_output_data_types([kind] * len(shapes), [4] * len(shapes))
    inputs = [[Expr(size) for size in shape] for shape in shapes]
    return types, plugin.get_output_shapes(inputs, [], Builder(trt))


def described(trt, shape, kind):
    tensor = trt.DynamicPluginTensorDesc()
    tensor.desc.dims, tensor.desc.type, tensor.desc.format = list(shape), kind, trt.TensorFormat.LINEAR
    return tensor


SHAPES = [(2, 27, 80, 96), (2, 27, 40, 48), (2, 27, 20, 24), (2, 27, 10, 12)]


@needs_bindings
def test_one_creator_of_our_name(trt):
    (creator,) = trt.get_plugin_registry().all_creators
    assert (creator.name, creator.plugin_version, creator.plugin_namespace) == ("YoloLayer_TRT", "1", "hookline")
    names = [field.name for field in creator.field_names]
    assert names == ["max_stride", "num_classes", "anchors", "prenms_score_threshold"]
    assert yolo_layer_plugin.registered_form(trt) == "ahead of time"
    with pytest.raises(HooklineError, match="ahead-of-time form of hookline::YoloLayer_TRT is registered already"):
        yolo_layer_plugin.register(trt)


@needs_bindings
@pytest.mark.parametrize("levels", [1, 3, 4])
def test_outputs(trt, levels):
    shapes = SHAPES[:levels]
    types, found = describe(trt, make(trt, settings_for(levels)), shapes, trt.DataType.FLOAT)
    rows = 3 * sum(shape[2] * shape[3] for shape in shapes)
    assert types == [trt.DataType.INT32, trt.DataType.FLOAT, trt.DataType.FLOAT, trt.DataType.INT32]
    assert [[size.value for size in shape] for shape in found] == [[2, 1], [2, rows, 4], [2, rows], [2, rows]]


@needs_bindings
def test_channels_must_fit(trt):
    with pytest.raises(HooklineError, match="24, -1, -1"):
        describe(trt, make(trt, settings_for(3)), [*SHAPES[:2], (2, 24, 20, 24)], trt.DataType.FLOAT)


@needs_bindings
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


@needs_bindings
@pytest.mark.parametrize("levels", [3, 4])
@pytest.mark.parametrize("half", [False, True])
def test_launch_and_kernel(trt, levels, half, monkeypatch):
    seen = []
    monkeypatch.setattr(yolo_layer_aot, "compiled", lambda *wanted: seen.append(wanted) or b"ptx")
    plugin, shapes = make(trt, settings_for(levels)), SHAPES[:levels]
    kind = trt.DataType.HALF if half else trt.DataType.FLOAT
    _, outputs = describe(trt, plugin, shapes, kind)
    kinds = [kind] * levels + plugin.output_types
    sizes = [*shapes, *([size.value for size in shape] for shape in outputs)]
    tensors = [described(trt, shape, kind) for shape, kind in zip(sizes, kinds, strict=True)]
    launch, extra = SimpleNamespace(), Setter()
    plugin.set_tactic(0)
    plugin.get_launch_params(None, tensors, levels, launch, extra, Builder(trt))
    assert (launch.block_x, launch.block_y, launch.block_z, launch.shared_mem) == (512, 1, 1, 0)
    rows = outputs[2][1].value
    assert (launch.grid_x, launch.grid_y, launch.grid_z) == (min(-(-rows // 1024), 32), 2, 1)
    assert extra.nbSymExprs == 2 * levels
    assert list(extra.values()) == [size for shape in shapes for size in shape[2:]]
    assert seen == [(settings_for(levels), levels, half)]
    descs = [tensor.desc for tensor in tensors]
    assert plugin.get_kernel(descs[:levels], descs[levels:]) == ("yolo_layer_aot", b"ptx")
