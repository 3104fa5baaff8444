"""The stages graft and build, through their parts as the plugins register them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.graphsurgeon.plugin import hookline_grafts
from backends.ort.plugin import hookline_runtimes, probe
from core.artifacts import Engine, GraftedModel, Layout, Precision, QuantizedModel
from core.errors import HooklineError
from stages.build import BuildConfig, build, fingerprint
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
    assert [item.types for item in stage.signature.inputs] == [(GraftedModel,)]


@pytest.mark.parametrize("name", ["yolo_layer", "onnx"])
def test_from_heads_to_boxes(tmp_path, context, name):
    model = replace(write_heads(tmp_path / "heads.onnx"), notes=("calibrated on the default",))
    decoded = graft(GraftConfig(name=name, score_threshold=0.3), model, context)
    assert decoded.path == context.workdir / "tiny-fp32-decoded.onnx"
    assert (decoded.graft, decoded.score_threshold, decoded.operators) == (name, 0.3, ())
    engine = build(BuildConfig(backend="onnxruntime", warmup=1), decoded, context)
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
        build(BuildConfig(backend="onnxruntime"), decoded, context)


def test_cards_are_not_for_a_cpu(tmp_path, context):
    decoded = graft(GraftConfig(name="onnx"), write_heads(tmp_path / "heads.onnx"), context)
    with pytest.raises(HooklineError, match="for GPUs, onnxruntime builds for this CPU"):
        build(BuildConfig(backend="onnxruntime", compute_capabilities=["sm86"]), decoded, context)


def test_model_of_another_runtime_is_refused(tmp_path, context):
    model = write_heads(tmp_path / "heads.onnx", runtime="tensorrt", precision=Precision.int8)
    decoded = graft(GraftConfig(name="onnx"), model, context)
    with pytest.raises(HooklineError, match="by the rules of 'tensorrt', the backend is 'onnxruntime'"):
        build(BuildConfig(backend="onnxruntime"), decoded, context)


def test_key_of_an_engine_holds_the_machine(context):
    facts = fingerprint(BuildConfig(backend="onnxruntime"), context)
    assert set(facts) == {"onnxruntime", "architecture", "instructions"}


@pytest.mark.parametrize("threshold", [-0.1, 1.5])
def test_threshold_is_a_probability(threshold):
    with pytest.raises(HooklineError, match="from 0 to 1"):
        GraftConfig(score_threshold=threshold)


def test_warm_up_runs_are_not_negative():
    with pytest.raises(HooklineError, match=r"build\.warmup is -1"):
        BuildConfig(warmup=-1)


def test_runtime_is_available_where_the_package_is(monkeypatch):
    assert probe().usable
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not probe().usable
    assert probe().hint == "pip install onnxruntime"
