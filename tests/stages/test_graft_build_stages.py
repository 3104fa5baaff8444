"""The stages graft and build, through their parts as the plugins register them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.graphsurgeon.plugin import hookline_grafts
from backends.ort.plugin import hookline_runtimes, probe
from core.artifacts import CalibrationTable, Dataset, Engine, GraftedModel, Layout, Precision, QuantizedModel
from core.errors import HooklineError
from stages.build import BuildConfig, build, check, fingerprint
from stages.build import hookline_stages as build_stages
from stages.graft import GraftConfig, graft
from stages.graft import hookline_stages as graft_stages
from tests.heads_tools import images, write_heads
from tests.stage_tools import make_context


@pytest.fixture
def context(tmp_path):
    return make_context(tmp_path, grafts=list(hookline_grafts()), runtimes=list(hookline_runtimes()))[0]


def test_signatures():
    (stage,) = graft_stages()
    assert (stage.name, stage.signature.provides) == ("graft", (GraftedModel,))
    assert [item.types for item in stage.signature.inputs] == [(QuantizedModel,)]
    (stage,) = build_stages()
    assert (stage.name, stage.signature.provides) == ("build", (Engine,))
    assert [item.types for item in stage.signature.inputs] == [(GraftedModel,), (Dataset,), (CalibrationTable,)]


@pytest.mark.parametrize("name", ["yolo_layer", "onnx"])
def test_from_heads_to_boxes(tmp_path, context, name):
    model = replace(write_heads(tmp_path / "heads.onnx"), notes=("calibrated on the default",))
    decoded = graft(GraftConfig(name=name, score_threshold=0.3), model, context)
    assert decoded.path == context.workdir / "tiny-fp32-decoded.onnx"
    assert (decoded.graft, decoded.score_threshold, decoded.operators) == (name, 0.3, ())
    engine = build(BuildConfig(backend="onnxruntime", warmup=1, precision=None), decoded, None, None, context)
    assert engine.path == context.workdir / "tiny-fp32.onnx"
    assert engine.notes == model.notes
    assert (engine.precision, engine.layout, engine.score_threshold) == (Precision.fp32, Layout.decoded, 0.3)
    with context.runtime("onnxruntime").open(engine, device="cpu") as session:
        assert session.run(images(model, 1))["DecodeNumDetection"].item() > 0


def test_bare_node_is_told_at_build(tmp_path, context):
    model = write_heads(tmp_path / "heads.onnx")
    decoded = graft(GraftConfig(name="yolo_layer", namespace=""), model, context)
    assert decoded.operators == ("YoloLayer_TRT",)
    with pytest.raises(HooklineError, match=r"graft\.namespace=hookline"):
        build(BuildConfig(backend="onnxruntime", precision=None), decoded, None, None, context)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("batch", 8),
        ("imgsz", {"min": 32, "opt": 64, "max": 64}),
    ],
)
def test_what_a_runtime_does_not_take_is_told_before_anything_runs(context, word, value):
    config = BuildConfig(backend="onnxruntime", precision=Precision.int8, **{word: value})
    assert [str(problem) for problem in check(config, context)] == [f"onnxruntime takes no build.{word}; leave it out"]


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
    decoded = graft(GraftConfig(name="onnx"), model, context)
    with pytest.raises(HooklineError, match="by the rules of 'tensorrt', the backend is 'onnxruntime'"):
        build(BuildConfig(backend="onnxruntime", precision=None), decoded, None, None, context)


@pytest.mark.parametrize("own", Precision)
@pytest.mark.parametrize("asked", [None, *Precision])
def test_a_precision_that_the_model_does_not_have_is_refused(tmp_path, context, own, asked):
    model = write_heads(tmp_path / "heads.onnx")
    decoded = replace(graft(GraftConfig(name="onnx"), model, context), precision=own)
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


def test_runtime_is_available_where_the_package_is(monkeypatch):
    assert probe().usable
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not probe().usable
    assert probe().hint == "pip install onnxruntime"
