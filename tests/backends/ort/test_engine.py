"""ONNX Runtime engines: built, opened if they fit, refused if they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from backends.graphsurgeon.options import YoloLayerOptions
from backends.graphsurgeon.yolo_layer import YoloLayerGraft
from backends.ort.engine import REORDER, build_engine
from backends.ort.machine import this_machine
from backends.ort.options import Optimisation, OrtOptions
from backends.ort.plugin import load
from core.errors import HooklineError
from core.model_facts import DECODED
from core.plugins.registry import Registry
from core.storage.digest import file_digest
from stages.graft.grafting import _finish
from tests.support.build_tools import build_job
from tests.support.heads_tools import grafted, head_for, images, write_heads

OPTIONS = OrtOptions(threads=1)


@pytest.fixture
def model(tmp_path):
    heads = write_heads(tmp_path / "heads.onnx")
    YoloLayerGraft(YoloLayerOptions()).append(heads, head_for(heads), tmp_path / "d.onnx", score_threshold=0.25)
    _finish(tmp_path / "d.onnx", heads, "yolo_layer", 0.25, Registry())
    return grafted(heads, tmp_path / "d.onnx")


def build(model, tmp_path, **options):
    engine = build_engine(build_job(model, tmp_path / "engine.onnx", warmup=1), OrtOptions(threads=1, **options))
    return replace(engine, sha256=file_digest(engine.path))


@pytest.mark.parametrize("optimisation", list(Optimisation))
def test_the_engine_equals_the_model(tmp_path, model, optimisation):
    engine = build(model, tmp_path, optimisation=optimisation)
    feed = images(model, 1)
    with load(OPTIONS).open(engine, device="cpu") as session, load(OPTIONS).open(model, device="cpu") as reference:
        expected = reference.run(feed)
        for name, value in session.run(feed).items():
            np.testing.assert_allclose(value, expected[name], atol=1e-3)
    assert session.score_threshold == engine.score_threshold == 0.25
    assert (engine.layout, engine.runtime) == (DECODED, "onnxruntime")
    assert load(OPTIONS).machine().items() <= engine.machine.items()


def test_engine_carries_the_metadata_and_needs_no_function(tmp_path, model):
    content = onnx.load(build(model, tmp_path).path)
    assert {"stride", "names", "hookline"} <= {item.key for item in content.metadata_props}
    assert not content.functions
    assert "hookline" not in {node.domain for node in content.graph.node}


def test_equal_models_give_equal_bytes(tmp_path, model):
    """Includes the nodes that leave blocked layouts, which ONNX Runtime adds in a varying order."""
    written = set()
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        written.add(build(model, tmp_path / str(number)).path.read_bytes())
    assert len(written) == 1
    (content,) = written
    assert sum(node.op_type == REORDER for node in onnx.load_from_string(content).graph.node) > 1


def test_machine_is_recorded(tmp_path, model):
    engine = build(model, tmp_path)
    assert this_machine().items() <= engine.machine.items()
    assert engine.machine["optimisation"] == "all"


@pytest.mark.parametrize(
    ("key", "value"), [("onnxruntime", "1.0.0"), ("architecture", "riscv64"), ("instructions", "avx2 amx_int8")]
)
def test_another_machine_is_refused_by_name(tmp_path, model, key, value):
    engine = build(model, tmp_path)
    other = replace(engine, machine={**engine.machine, key: value})
    here = this_machine()[key] or "none"
    with pytest.raises(HooklineError) as caught:
        load(OPTIONS).open(other, device="cpu")
    assert f"built for another machine: {key} {value} (here {here})" in str(caught.value)
    assert "+stage=build precision=fp32" in caught.value.hint


def test_every_difference_is_named(tmp_path, model):
    engine = replace(build(model, tmp_path), machine={})
    with pytest.raises(HooklineError, match=r"onnxruntime none .*architecture none"):
        load(OPTIONS).open(engine, device="cpu")


def test_portable_engine_opens_on_another_cpu(tmp_path, model):
    engine = build(model, tmp_path, optimisation=Optimisation.extended)
    other = replace(engine, machine={**engine.machine, "instructions": "avx2"})
    with load(OPTIONS).open(other, device="cpu") as session:
        assert session.run(images(model, 1))


def test_changed_truncated_and_missing_file(tmp_path, model):
    engine = build(model, tmp_path)
    content = engine.path.read_bytes()
    engine.path.write_bytes(content[:-8])
    with pytest.raises(HooklineError, match="sha256 differs"):
        load(OPTIONS).open(engine, device="cpu")
    with pytest.raises(HooklineError, match="damaged"):
        load(OPTIONS).open(replace(engine, sha256=""), device="cpu")
    engine.path.unlink()
    with pytest.raises(HooklineError, match="does not exist"):
        load(OPTIONS).open(engine, device="cpu")


def test_engine_of_another_runtime(tmp_path, model):
    engine = replace(build(model, tmp_path), runtime="tensorrt")
    with pytest.raises(HooklineError, match="an engine of 'tensorrt'"):
        load(OPTIONS).open(engine, device="cpu")


def test_bare_node_cannot_be_built(tmp_path, model):
    bare = replace(model, operators=("YoloLayer_TRT",))
    with pytest.raises(
        HooklineError, match=r"needs the operator YoloLayer_TRT.*grafts\.yolo_layer\.namespace=hookline"
    ):
        build(bare, tmp_path)
    assert not (tmp_path / "engine.onnx").exists()


def test_dynamic_model_warms_up_at_its_nominal_size(tmp_path):
    heads = write_heads(tmp_path / "heads.onnx", dynamic=True)
    YoloLayerGraft(YoloLayerOptions()).append(heads, head_for(heads), tmp_path / "d.onnx", score_threshold=0.25)
    engine = build(grafted(heads, tmp_path / "d.onnx"), tmp_path)
    with load(OPTIONS).open(engine, device="cpu") as session:
        assert session.run(images(heads, 2, (32, 64)))["DecodeNumDetection"].shape == (2, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to stand for a full disk")
def test_full_disk(model):
    with pytest.raises(HooklineError, match="check the free disk space"):
        build_engine(build_job(model, Path("/dev/full")), OPTIONS)
