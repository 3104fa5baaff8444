"""The activation recorder returns what a normal run computes, in reused buffers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnxruntime.transformers.float16 import convert_float_to_float16

from backends.ort.options import OrtOptions
from backends.ort.plugin import load
from core.errors import HooklineError
from tests.support.heads_tools import images, write_heads

TENSORS = ["images", "conv", "gate", "stem", "c0", "p3", "c1", "p4", "c2", "p5"]


@pytest.fixture
def runtime():
    return load(OrtOptions(threads=1))


def expected_stem(model, feed):
    """Compute the first convolution (stride and kernel 4) and SiLU in NumPy."""
    kernel = onnx.numpy_helper.to_array(onnx.load(model.path).graph.initializer[0])
    batch, _, height, width = feed.shape
    patches = feed.reshape(batch, 3, height // 4, 4, width // 4, 4)
    conv = np.einsum("bcyixj,ocij->boyx", patches, kernel)
    return conv / (1 + np.exp(-conv))


@pytest.mark.parametrize("dynamic", [False, True])
def test_values_are_those_of_an_ordinary_run(tmp_path, runtime, dynamic):
    model = write_heads(tmp_path / "heads.onnx", dynamic=dynamic)
    with runtime.record_activations(model) as recorder, runtime.open(model, device="cpu") as session:
        assert list(recorder.tensors) == TENSORS
        for seed in (1, 2, 3):
            feed = images(model, 1) * np.float32(0.3 * seed)
            values = dict(recorder.run(feed))
            assert list(values) == TENSORS
            assert values["images"] is feed
            np.testing.assert_allclose(values["stem"], expected_stem(model, feed), atol=1e-4)
            for name, head in session.run(feed).items():
                np.testing.assert_allclose(values[name], head, atol=1e-5)


def test_buffers_are_reused(tmp_path, runtime):
    model = write_heads(tmp_path / "heads.onnx")
    with runtime.record_activations(model) as recorder:
        first = dict(recorder.run(images(model, 1)))
        kept = {name: value.copy() for name, value in first.items()}
        second = dict(recorder.run(images(model, 1) * np.float32(0.5)))
    for name in TENSORS[1:]:
        assert first[name] is second[name]
        assert not np.array_equal(kept[name], second[name])


def test_another_batch_gets_other_buffers(tmp_path, runtime):
    model = write_heads(tmp_path / "heads.onnx", dynamic=True)
    with runtime.record_activations(model) as recorder:
        assert dict(recorder.run(images(model, 3)))["stem"].shape == (3, 4, 16, 24)
        assert dict(recorder.run(images(model, 2)))["stem"].shape == (2, 4, 16, 24)


def test_chosen_tensors(tmp_path, runtime):
    model = write_heads(tmp_path / "heads.onnx")
    with runtime.record_activations(model, ["p4", "stem"]) as recorder:
        assert list(dict(recorder.run(images(model, 1)))) == ["images", "stem", "p4"]
    with pytest.raises(HooklineError, match="no float32 tensor 'absent'"):
        runtime.record_activations(model, ["stem", "absent"])


def test_a_model_in_float16_has_nothing_to_show(tmp_path, runtime):
    """Only its casts to float32 are float32 outputs; if the outputs are float16 too, there is none."""
    model = write_heads(tmp_path / "heads.onnx")
    whole = convert_float_to_float16(onnx.load(model.path), keep_io_types=False, op_block_list=[])
    onnx.save(whole, model.path)
    with pytest.raises(HooklineError, match=r"'heads\.onnx' has no float32 activations .*; export it in float32"):
        runtime.record_activations(model)


def test_damaged_file(tmp_path, runtime):
    model = write_heads(tmp_path / "heads.onnx")
    model.path.write_bytes(model.path.read_bytes()[:500])
    with pytest.raises(HooklineError, match="damaged or not an ONNX model"):
        runtime.record_activations(model)
