"""Engines with the plugin, built and run on a GPU with TensorRT and CuPy; without them only the graph is checked."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest

from core.errors import UnavailableError
from cuda_plugins import loading, yolo_layer_aot
from cuda_plugins.signature import OUTPUTS
from cuda_plugins.yolo_layer import yolo_layer
from cuda_plugins.yolo_layer_settings import Settings
from tests.cuda_plugins import engine_probe


def test_the_node_is_as_the_graft_writes_it():
    (node,) = onnx.load_model_from_string(engine_probe.node_alone()).graph.node
    assert (node.op_type, node.domain, tuple(node.output)) == ("YoloLayer_TRT", "hookline", OUTPUTS)
    names = {attribute.name for attribute in node.attribute}
    assert names == {
        "max_stride", "num_classes", "anchors", "prenms_score_threshold", "plugin_namespace", "plugin_version",
    }  # fmt: skip


@pytest.fixture
def cupy():
    try:
        return loading.import_cupy()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.gpu
@pytest.mark.parametrize("form", ["python", "aot"])
def test_an_engine_decodes(cupy, form, tmp_path):
    pytest.importorskip("tensorrt")
    for step in ("build", "run"):
        command = [sys.executable, "-m", "tests.cuda_plugins.engine_probe", step, form, str(tmp_path / "plan")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{step}: {done.stdout}{done.stderr}"


@pytest.mark.gpu
def test_the_ptx_of_an_ahead_of_time_engine_decodes(cupy, tmp_path):
    settings = Settings(32, engine_probe.CLASSES, tuple(engine_probe.ANCHORS), engine_probe.THRESHOLD)
    (tmp_path / "kernel.ptx").write_bytes(yolo_layer_aot.compiled(settings, 3, False))
    kernel = cupy.RawModule(path=str(tmp_path / "kernel.ptx")).get_function(yolo_layer_aot.KERNEL)
    rng = np.random.default_rng(4)
    heads = [rng.random(size, dtype=np.float32) for size in engine_probe.sizes(2, 20, 20)]
    rows = 3 * sum(head.shape[2] * head.shape[3] for head in heads)
    shapes = ((2, 1), (2, rows, 4), (2, rows), (2, rows))
    kinds = (np.int32, np.float32, np.float32, np.int32)
    outputs = [cupy.full(shape, -7, kind) for shape, kind in zip(shapes, kinds, strict=True)]
    grids = [np.int32(size) for head in heads for size in head.shape[2:]]
    kernel((8, 2, 1), (512, 1, 1), (*map(cupy.asarray, heads), *grids, *outputs))
    expected = yolo_layer(heads, max_stride=32, num_classes=5, anchors=settings.anchors, threshold=0.5)
    for name, array in zip(OUTPUTS, outputs, strict=True):
        np.testing.assert_array_equal(array.get(), expected[name], err_msg=name)
