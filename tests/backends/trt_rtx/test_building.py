"""TensorRT-RTX parses and builds on the CPU, in a worker process as in the stage."""

from __future__ import annotations

import functools
from dataclasses import replace

import onnx
import pytest

from backends.nvidia.nvml import Gpu
from backends.trt_rtx import runtime, targets
from backends.trt_rtx.options import TrtRtxOptions
from backends.trt_rtx.plugin import hookline_runtimes
from core.errors import HooklineError
from core.model_facts import DECODED, Precision
from stages.build import build, fingerprint
from stages.build.config import BuildConfig
from tests.backends.trt_rtx.rtx_tools import graft, official, tiny
from tests.support.stage_tools import make_context

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed (Linux on x86-64 only)")

CARDS = ["sm86", "sm89", "sm120"]
WEIGHTS = {"yolov5n": "yolov5n-v7.0.pt", "yolov5s": "yolov5s-v6.0.pt"}


@pytest.mark.parametrize("name", ["current", " Current"])
def test_an_engine_for_the_current_card_states_the_card_of_its_key(tmp_path, monkeypatch, name):
    monkeypatch.setattr(targets, "choose", lambda device: Gpu("GPU-1", "NVIDIA L4", "8.9", 0, 0, ""))
    engine = built(tmp_path, tiny(tmp_path, Precision.fp32), cards=[name], warmup=0)
    context, _ = context_for(tmp_path, [name])
    key = fingerprint(BuildConfig(backend="tensorrt_rtx", precision=None), context)
    assert (key["card"], engine.machine["compute_capabilities"]) == ("sm89", "sm89")
    assert key.items() <= engine.machine.items()


@pytest.fixture(scope="module")
def exported(tmp_path_factory, shared_data):
    """Return an official network with its ranges, exported once."""

    @functools.cache
    def export(variant, dynamic):
        return official(tmp_path_factory.mktemp(variant), shared_data / "weights" / WEIGHTS[variant], dynamic=dynamic)

    return export


def context_for(folder, cards=()):
    context, memory = make_context(folder, runtimes=list(hookline_runtimes()))
    return replace(context, options=lambda _kind, _name: TrtRtxOptions(list(cards))), memory


def built(folder, model, cards=(), **options):
    context, memory = context_for(folder, cards)
    engine = build(BuildConfig(backend="tensorrt_rtx", precision=None, **options), model, None, None, context)
    assert memory.steps > 5  # the phases that the monitor received
    return engine


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("precision", list(Precision))
def test_small_network(tmp_path, precision, dynamic):
    model = tiny(tmp_path, precision, dynamic=dynamic)
    engine = built(tmp_path, model, cards=CARDS)
    assert engine.path.name == f"tiny-{precision.value}.engine"
    assert engine.path.stat().st_size > 100_000
    assert (engine.precision, engine.layout, engine.score_threshold) == (precision, DECODED, 0.25)
    assert engine.runtime == "tensorrt_rtx"
    assert engine.machine["compute_capabilities"] == "sm86,sm89,sm120"
    assert set(engine.machine) == {"tensorrt_rtx", "compute_capabilities", "profile", "system"}


@pytest.mark.parametrize("variant", WEIGHTS)
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("precision", list(Precision))
def test_official_networks(tmp_path, exported, variant, precision, dynamic):
    model = graft(*exported(variant, dynamic), precision, tmp_path)
    engine = built(tmp_path, model, cards=CARDS)
    assert engine.path.name == f"{variant}-{precision.value}.engine"
    parameters = {"yolov5n": 1.8e6, "yolov5s": 7.2e6}[variant]
    weights = parameters * {Precision.fp32: 4, Precision.fp16: 2, Precision.int8: 1}[precision]
    assert weights < engine.path.stat().st_size < 3 * weights + 8e6


def test_profile(tmp_path):
    model = tiny(tmp_path, Precision.int8, dynamic=True)
    sizes = {"batch": {"min": 1, "opt": 2, "max": 4}, "imgsz": {"min": 32, "opt": 64, "max": [64, 96]}}
    engine = built(tmp_path, model, **sizes)
    assert engine.machine["profile"] == "1x3x32x32 2x3x64x64 4x3x64x96"
    assert engine.contract == replace(model.contract, batch=2)
    with pytest.raises(HooklineError, match=r"requests a batch of 4, .* set export\.batch=4"):
        built(tmp_path, tiny(tmp_path, Precision.int8), batch=4)


@pytest.mark.parametrize("precision", list(Precision))
def test_two_builds_of_a_static_network_are_one_file(tmp_path, precision):
    model = tiny(tmp_path, precision)
    first, second = (built(tmp_path / name, model).path.read_bytes() for name in ("a", "b"))
    assert first == second


def test_cards_change_the_engine(tmp_path):
    model = tiny(tmp_path, Precision.fp16)
    turing = built(tmp_path / "a", model, cards=["sm75"]).path.read_bytes()
    assert turing != built(tmp_path / "b", model, cards=["sm120"]).path.read_bytes()


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        (["sm85"], r"unknown compute capability 'sm85'; did you mean .*possible: current, sm120"),
        (["current", "sm86"], "contains 'current' and other"),
    ],
)
def test_cards_that_are_not_there(tmp_path, cards, message):
    with pytest.raises(HooklineError, match=message):
        built(tmp_path, tiny(tmp_path, Precision.fp32), cards=cards)


def test_operator_that_is_not_there(tmp_path):
    model = tiny(tmp_path, Precision.fp32)
    graph = onnx.load(model.path)
    graph.graph.node[0].op_type, graph.graph.node[0].domain = "Wobble", "elsewhere"
    graph.opset_import.add(domain="elsewhere", version=1)
    onnx.save(graph, model.path)
    with pytest.raises(HooklineError, match=r"cannot read 'tiny-fp32-decoded.onnx': node '/stem.x/Conv' \(Wobble\)"):
        built(tmp_path, model)


def test_form_of_the_decode_that_it_does_not_know(tmp_path):
    model = tiny(tmp_path, Precision.fp32, fixed_sizes=False)
    with pytest.raises(HooklineError, match=r"NonZero.*write the file again with \+stage=graft"):
        built(tmp_path, model)


@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_damaged_file(tmp_path, kept):
    model = tiny(tmp_path, Precision.fp32)
    model.path.write_bytes(model.path.read_bytes()[:kept])
    with pytest.raises(HooklineError, match=r"cannot read 'tiny-fp32-decoded\.onnx'"):
        built(tmp_path, model)


def test_bare_node_needs_a_plugin(tmp_path):
    model = replace(tiny(tmp_path, Precision.fp32), operators=("YoloLayer_TRT",))
    with pytest.raises(HooklineError, match=r"needs the plugin YoloLayer_TRT.*grafts\.yolo_layer\.namespace=hookline"):
        built(tmp_path, model)


def test_the_key_of_an_engine_has_the_release_and_a_current_card(tmp_path, monkeypatch):
    import tensorrt_rtx

    monkeypatch.setattr(runtime, "card_here", lambda device: f"card of {device}")
    release, config = {"tensorrt_rtx": tensorrt_rtx.__version__}, BuildConfig(backend="tensorrt_rtx", precision=None)
    for cards in ([], ["sm89"]):
        assert fingerprint(config, context_for(tmp_path, cards)[0]) == release
    context, _ = context_for(tmp_path, ["current"])
    key = fingerprint(config, context)
    assert key == {**release, "card": f"card of {context.device}"}
