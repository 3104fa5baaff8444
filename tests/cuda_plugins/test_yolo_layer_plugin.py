"""The Python plugin, called as TensorRT calls it: over a fake here, over the real bindings in test_bindings.py."""

from __future__ import annotations

import gc
import logging
import os

import numpy as np
import pytest

from core.errors import HooklineError
from cuda_plugins import loading, yolo_layer_plugin
from cuda_plugins import tensorrt_types as callbacks
from cuda_plugins.signature import OUTPUTS
from cuda_plugins.yolo_layer import yolo_layer
from cuda_plugins.yolo_layer_settings import Settings
from tests.cuda_plugins import cpu
from tests.cuda_plugins.fake_trt import ExprBuilder, Registry, fake_trt

SETTINGS = Settings(32, 4, (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326), 0.5)
SETTINGS_P6 = Settings(64, 4, (*SETTINGS.anchors, 436, 615, 739, 380, 925, 792), 0.5)


@pytest.fixture
def trt(monkeypatch):
    """A module with an empty registry, and with lists of numbers as shapes."""
    if "HOOKLINE_REAL_BINDINGS" in os.environ:
        import tensorrt as module
    else:
        module = fake_trt()
    registry = Registry()
    monkeypatch.setattr(module, "get_plugin_registry", lambda: registry, raising=False)
    monkeypatch.setattr(module, "DimsExprs", list)
    callbacks.take_errors()
    return module


@pytest.fixture
def creator(trt):
    yolo_layer_plugin.register(trt)
    return trt.get_plugin_registry().all_creators[0]


def make(trt, creator, settings=SETTINGS):
    fields = yolo_layer_plugin.fields_of(trt, settings)  # a collection does not keep them
    return creator.create_plugin("node", trt.PluginFieldCollection(fields), trt.TensorRTPhase.BUILD)


def described(trt, shape, kind="FLOAT", layout="LINEAR"):
    desc = trt.PluginTensorDesc()
    desc.dims, desc.type, desc.format = list(shape), getattr(trt.DataType, kind), getattr(trt.TensorFormat, layout)
    return desc


def dynamic(trt, desc):
    wrapped = trt.DynamicPluginTensorDesc()
    wrapped.desc = desc
    return wrapped


def described_all(trt, shapes, kind="FLOAT"):
    return [described(trt, shape, kind) for shape in shapes]


def shapes_of(levels=3, batch=2, height=2, width=3):
    return [(batch, 27, height << level, width << level) for level in reversed(range(levels))]


def test_registers_once(trt, creator):
    yolo_layer_plugin.register(trt)
    assert len(trt.get_plugin_registry().all_creators) == 1
    assert (creator.name, creator.plugin_version, creator.plugin_namespace) == ("YoloLayer_TRT", "1", "hookline")
    names = [field.name for field in creator.field_names]
    assert names == ["max_stride", "num_classes", "anchors", "prenms_score_threshold"]


def test_a_refusal_of_the_registry_is_reported(trt, monkeypatch):
    monkeypatch.setattr(Registry, "register_creator", lambda *_: False)
    with pytest.raises(HooklineError, match="refuses the plugin hookline::YoloLayer_TRT"):
        yolo_layer_plugin.register(trt)


def test_attributes_are_copied(trt, creator):
    fields = yolo_layer_plugin.fields_of(trt, SETTINGS)
    memory = [np.asarray(field.data) for field in fields]
    plugin = creator.create_plugin("node", trt.PluginFieldCollection(fields), trt.TensorRTPhase.BUILD)
    for array in memory:
        array[...] = 0
    assert plugin.settings == SETTINGS
    assert (plugin.plugin_name, plugin.plugin_version, plugin.plugin_namespace) == ("YoloLayer_TRT", "1", "hookline")
    assert plugin.num_outputs == 4


def test_the_threshold_has_a_default(trt, creator):
    fields = yolo_layer_plugin.fields_of(trt, SETTINGS)[:-1]
    plugin = creator.create_plugin("node", trt.PluginFieldCollection(fields), trt.TensorRTPhase.BUILD)
    assert plugin.settings.threshold == 0.25


def test_a_missing_attribute_is_named_and_kept_for_the_caller(trt, creator, caplog):
    fields = yolo_layer_plugin.fields_of(trt, SETTINGS)[2:]
    with caplog.at_level(logging.ERROR), pytest.raises(HooklineError, match="no max_stride, num_classes") as raised:
        creator.create_plugin("node", trt.PluginFieldCollection(fields), trt.TensorRTPhase.BUILD)
    assert callbacks.take_errors() == (raised.value,)
    assert callbacks.take_errors() == ()
    assert "create_plugin failed: HooklineError: the node YoloLayer_TRT has no max_stride" in caplog.text


@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS_P6])
def test_what_is_serialised_makes_the_same_plugin(trt, creator, settings):
    plugin = make(trt, creator, settings)
    fields = plugin.get_fields_to_serialize()
    gc.collect()
    np.full(64, 7, np.int32)  # memory that was let go would be this now
    again = creator.create_plugin("YoloLayer_TRT", fields, trt.TensorRTPhase.RUNTIME)
    assert again.settings == settings
    assert again.get_capability_interface(None) is again


@pytest.mark.parametrize(("levels", "settings"), [(3, SETTINGS), (4, SETTINGS_P6)])
def test_outputs(trt, creator, levels, settings):
    plugin = make(trt, creator, settings)
    shapes = shapes_of(levels)
    rows = 3 * sum(shape[2] * shape[3] for shape in shapes)
    expected = [[2, 1], [2, rows, 4], [2, rows], [2, rows]]
    assert plugin.get_output_shapes(shapes, [], ExprBuilder(trt)) == expected
    kinds = plugin.get_output_data_types([trt.DataType.FLOAT] * levels)
    assert kinds == [trt.DataType.INT32, trt.DataType.FLOAT, trt.DataType.FLOAT, trt.DataType.INT32]


GOOD = ["FLOAT", "FLOAT", "FLOAT", "INT32", "FLOAT", "FLOAT", "INT32"]


@pytest.mark.parametrize("heads", ["FLOAT", "HALF"])
def test_formats_that_the_kernel_reads(trt, creator, heads):
    plugin = make(trt, creator)
    kinds = [heads] * 3 + GOOD[3:]
    tensors = [dynamic(trt, described(trt, (1,), kind)) for kind in kinds]
    assert all(plugin.supports_format_combination(place, tensors, 3) for place in range(7))


@pytest.mark.parametrize(
    ("place", "kind", "layout"),
    [
        (0, "INT8", "LINEAR"),
        (0, "FLOAT", "CHW4"),
        (1, "HALF", "LINEAR"),
        (2, "INT32", "LINEAR"),
        (3, "FLOAT", "LINEAR"),
        (4, "HALF", "LINEAR"),
        (5, "FLOAT", "CHW4"),
        (6, "FLOAT", "LINEAR"),
    ],
)
def test_formats_that_it_does_not_read(trt, creator, place, kind, layout):
    tensors = [dynamic(trt, described(trt, (1,), kind)) for kind in GOOD]
    tensors[place] = dynamic(trt, described(trt, (1,), kind, layout))
    assert not make(trt, creator).supports_format_combination(place, tensors, 3)


def test_channels_must_fit(trt, creator):
    plugin = make(trt, creator)
    shapes = [(-1, 27, -1, -1)] * 3
    plugin.configure_plugin([dynamic(trt, described(trt, shape)) for shape in shapes], [])
    shapes[1] = (-1, 24, -1, -1)
    with pytest.raises(HooklineError, match=r"shape \[-1, 24, -1, -1\].*4 classes.*\[batch, 27, height, width\]"):
        plugin.configure_plugin([dynamic(trt, described(trt, shape)) for shape in shapes], [])
    with pytest.raises(HooklineError, match="24, 2, 3"):
        plugin.on_shape_change(described_all(trt, [(1, 27, 8, 12), (1, 27, 4, 6), (1, 24, 2, 3)]), [])
    assert len(callbacks.take_errors()) == 2


def run(trt, plugin, heads, stream=5):
    """Enqueue on NumPy memory."""
    memory, outputs = cpu.decode_memory(heads)
    kind = "HALF" if heads[0].dtype == np.float16 else "FLOAT"
    inputs = described_all(trt, [head.shape for head in heads], kind)
    addresses = [[array.ctypes.data for array in arrays] for arrays in (memory, outputs)]
    plugin.enqueue(inputs, [], *addresses, 0, stream)
    return dict(zip(OUTPUTS, outputs, strict=True))


def random_heads(shapes, dtype=np.float32):
    rng = np.random.default_rng(3)
    return [rng.random(shape, dtype=np.float32).astype(dtype) for shape in shapes]


def assert_decodes(trt, plugin, heads):
    found = run(trt, plugin, heads)
    expected = yolo_layer(
        [head.astype(np.float32) for head in heads],
        max_stride=plugin.settings.max_stride,
        num_classes=4,
        anchors=plugin.settings.anchors,
        threshold=0.5,
    )
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.fixture
def streams(monkeypatch):
    """Run launches on the CPU and record their streams."""
    seen = []

    def launch(wanted, stream):
        seen.append(stream)
        cpu.run(wanted)

    monkeypatch.setattr(loading, "launch", launch)
    return seen


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS_P6])
def test_enqueue_decodes_any_shape_in_turn(trt, creator, streams, dtype, settings):
    plugin, levels = make(trt, creator, settings), len(settings.anchors) // 6
    small, large = shapes_of(levels), shapes_of(levels, batch=3, height=3, width=2)
    plugin.on_shape_change(described_all(trt, small, "HALF" if dtype == np.float16 else "FLOAT"), [])
    for shapes in (small, large, small):
        assert_decodes(trt, plugin, random_heads(shapes, dtype))
    assert streams == [5, 5, 5]


def test_another_type_of_the_same_shape_is_another_kernel(trt, creator, streams):
    plugin = make(trt, creator)
    for dtype in (np.float32, np.float16):
        assert_decodes(trt, plugin, random_heads(shapes_of(), dtype))


def test_a_launch_is_made_once_a_shape(trt, creator, streams):
    plugin = make(trt, creator)
    plugin.on_shape_change(described_all(trt, shapes_of()), [])
    prepared = plugin.prepared
    run(trt, plugin, random_heads(shapes_of()))
    run(trt, plugin, random_heads(shapes_of()))
    assert plugin.prepared is prepared


def test_a_context_has_a_plugin_of_its_own_and_compiled_kernels(trt, creator, monkeypatch):
    loaded = []
    monkeypatch.setattr(loading, "load", lambda *names: loaded.append(names))
    plugin = make(trt, creator)
    plugin.on_shape_change(described_all(trt, shapes_of()), [])
    attached = plugin.attach_to_context(None)
    assert loaded == [("yolo_layer", "yolo_layer_float"), ("yolo_layer", "yolo_layer_half")]
    assert type(attached) is type(plugin)
    assert attached is not plugin
    assert (attached.settings, attached.prepared) == (SETTINGS, None)


def test_an_error_in_enqueue_is_kept(trt, creator, monkeypatch, caplog):
    def launch(wanted, stream):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(loading, "launch", launch)
    with pytest.raises(RuntimeError, match="out of luck"):
        run(trt, make(trt, creator), random_heads(shapes_of()))
    assert [str(error) for error in callbacks.take_errors()] == ["out of luck"]
    assert "enqueue failed: RuntimeError: out of luck" in caplog.text
