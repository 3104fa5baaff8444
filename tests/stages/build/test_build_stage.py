"""The stage build, with the parts that the plugins register."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.ort.plugin import hookline_runtimes
from backends.ort.runtime import OrtRuntime
from core.artifacts import CalibrationTable, Dataset, Engine, GraftedModel
from core.containment.calls import PluginError
from core.errors import HooklineError
from core.model_facts import DECODED, Precision
from core.plugins.loading import load_plugins
from stages.build import build, check, fingerprint, hookline_stages
from stages.build.config import BuildConfig
from stages.graft import graft
from stages.graft.config import GraftConfig
from tests.support.build_tools import decoding_context
from tests.support.heads_tools import images, write_heads
from tests.support.stage_tools import make_context


@pytest.fixture
def context(tmp_path):
    return decoding_context(tmp_path)


def test_signature():
    (stage,) = hookline_stages()
    assert (stage.name, stage.signature.provides) == ("build", (Engine,))
    assert [item.types for item in stage.signature.inputs] == [(GraftedModel,), (Dataset,), (CalibrationTable,)]


@pytest.mark.parametrize("name", ["yolo_layer", "onnx"])
def test_from_heads_to_boxes(tmp_path, context, name):
    model = replace(write_heads(tmp_path / "heads.onnx"), notes=("calibrated on the default",))
    decoded = graft(GraftConfig(decode=name, score_threshold=0.3), model, context)
    assert decoded.path == context.workdir / "tiny-fp32-decoded.onnx"
    assert (decoded.graft, decoded.score_threshold, decoded.operators) == (name, 0.3, ())
    engine = build(BuildConfig(backend="onnxruntime", warmup=1, precision=None), decoded, None, None, context)
    assert engine.path == context.workdir / "tiny-fp32.onnx"
    assert engine.notes == model.notes
    assert (engine.precision, engine.layout, engine.score_threshold) == (Precision.fp32, DECODED, 0.3)
    with context.runtime("onnxruntime").open(engine, device="cpu") as session:
        assert session.run(images(model, 1))["DecodeNumDetection"].item() > 0


def test_an_engine_of_a_shipped_runtime_must_state_the_machine_of_its_key(tmp_path, context, monkeypatch):
    decoded = graft(GraftConfig(decode="onnx"), write_heads(tmp_path / "heads.onnx"), context)
    context = replace(context, registry=load_plugins().registry)
    assert not context.registry.origin("runtimes", "onnxruntime").outside
    monkeypatch.setattr(OrtRuntime, "machine", lambda self, device: {"onnxruntime": "0.1"})
    with pytest.raises(PluginError, match=r"backend 'onnxruntime': machine states onnxruntime='0\.1', but Engine"):
        build(BuildConfig(backend="onnxruntime", precision=None), decoded, None, None, context)


def test_a_given_file_with_a_bare_node_is_refused_in_the_build(tmp_path, context):
    decoded = graft(GraftConfig(decode="onnx"), write_heads(tmp_path / "heads.onnx"), context)
    given = replace(decoded, operators=("YoloLayer_TRT",))
    with pytest.raises(HooklineError, match=r"grafts\.yolo_layer\.namespace=hookline"):
        build(BuildConfig(backend="onnxruntime", precision=None), given, None, None, context)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("batch", 8),
        ("imgsz", {"min": 32, "opt": 64, "max": 64}),
    ],
)
def test_what_a_runtime_does_not_take_is_reported_before_anything_runs(context, word, value):
    config = BuildConfig(backend="onnxruntime", precision=Precision.int8, **{word: value})
    assert list(map(str, check(config, context))) == [f"onnxruntime does not support build.{word}; remove it"]


def test_problems_of_sizes(tmp_path):
    runtimes = [replace(part, shapes=True) for part in hookline_runtimes()]
    context, _ = make_context(tmp_path, runtimes=runtimes)
    sizes = BuildConfig(backend="onnxruntime", batch={"min": 4, "opt": 2, "max": 8}, imgsz=0)
    assert [str(problem).split(";")[0] for problem in check(sizes, context)] == [
        "build.batch={min: 4, opt: 2, max: 8} is not in order",
        "build.imgsz=0: imgsz=0 is not an input size",
    ]


def test_model_of_another_runtime_is_refused(tmp_path, context):
    model = write_heads(tmp_path / "heads.onnx", runtime="tensorrt", precision=Precision.int8)
    decoded = graft(GraftConfig(decode="onnx"), model, context)
    with pytest.raises(HooklineError, match="by the rules of 'tensorrt', but the backend is 'onnxruntime'"):
        build(BuildConfig(backend="onnxruntime", precision=None), decoded, None, None, context)


@pytest.mark.parametrize("own", Precision)
@pytest.mark.parametrize("asked", [None, *Precision])
def test_a_precision_that_the_model_does_not_have_is_refused(tmp_path, context, own, asked):
    model = write_heads(tmp_path / "heads.onnx")
    decoded = replace(graft(GraftConfig(decode="onnx"), model, context), precision=own)
    config = BuildConfig(backend="onnxruntime", warmup=0, precision=asked)
    if asked in {None, own}:
        assert build(config, decoded, None, None, context).precision is own
        return
    message = rf"build\.precision is {asked.value}, but '.*\.onnx' is {own.value}; set precision={asked.value} for"
    with pytest.raises(HooklineError, match=message):
        build(config, decoded, None, None, context)


def test_key_of_an_engine_holds_the_machine(context):
    facts = fingerprint(BuildConfig(backend="onnxruntime"), context)
    assert set(facts) == {"onnxruntime", "architecture", "instructions"}
