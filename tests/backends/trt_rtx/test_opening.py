"""Opening TensorRT-RTX engines: those that fit become TensorRT sessions, others are refused with the reason."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backends.nvidia.nvml import Gpu
from backends.trt.library import load
from backends.trt.opening import open_session
from backends.trt_rtx import opening, targets
from backends.trt_rtx.opening import open_engine, this_release, warm_up_here
from backends.trt_rtx.options import TrtRtxOptions
from backends.trt_rtx.runtime import TensorRtRtx
from core.artifacts import Engine
from core.errors import HooklineError, UnavailableError
from core.model_facts import DECODED, Precision
from tests.support.build_tools import build_job
from tests.support.heads_tools import facts, grafted, write_heads
from tests.support.stage_tools import make_context

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed (Linux on x86-64 only)")


class FakeSession:
    """Counts the batches it runs."""

    def __init__(self, contract):
        self.contract, self.batches, self.closed = contract, [], False

    def run(self, images):
        self.batches.append(images)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.closed = True


@pytest.fixture
def engine(tmp_path):
    """Return an engine for two cards; its plan cannot be opened."""
    (tmp_path / "tiny.engine").write_bytes(b"plan")
    return Engine(
        path=tmp_path / "tiny.engine",
        facts=facts(),
        contract=write_heads(tmp_path / "heads.onnx").contract,
        layout=DECODED,
        precision=Precision.int8,
        runtime="tensorrt_rtx",
        score_threshold=0.25,
        machine={**this_release(), "compute_capabilities": "sm86,sm120"},
    )


@pytest.fixture
def card(monkeypatch):
    """Provide a machine with an Ampere card and fake sessions; return the sessions."""
    made = []

    def session(engine, library, device, *, graphs, kernels):
        made.append((FakeSession(engine.contract), engine, library.title, device, graphs))
        return made[-1][0]

    monkeypatch.setattr(opening, "choose", lambda device: Gpu("GPU-1", "NVIDIA A10", "8.6", 0, 0, ""))
    monkeypatch.setattr(opening, "open_on", lambda gpu: gpu.uuid)
    monkeypatch.setattr(opening, "open_session", session)
    return made


@pytest.fixture
def no_card(monkeypatch):
    def refuse(device):
        raise UnavailableError("no GPU can be used: there is no driver", "see +stage=doctor")

    monkeypatch.setattr(opening, "choose", refuse)


def test_engine_for_this_card_is_opened_without_graphs(engine, card):
    session = TensorRtRtx(TrtRtxOptions()).open(engine, device="auto")
    assert card == [(session, engine, "TensorRT-RTX", "GPU-1", False)]


def test_cards_that_tensorrt_rtx_chose_are_left_to_it(engine, card):
    assert open_engine(replace(engine, machine=this_release()), "auto") is card[0][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runtime": "tensorrt"}, "is an engine of 'tensorrt'"),
        ({"sha256": "0" * 64}, "is not the file that was written"),
        (
            {"machine": {"tensorrt_rtx": "1.6.0"}},
            r"by TensorRT-RTX 1\.6\.0; the installed .*; build it again with \+stage=build",
        ),
        ({"machine": {}}, "by TensorRT-RTX an unknown release"),
        (
            {"machine": {**this_release(), "compute_capabilities": "sm89,sm120"}},
            r"was built for sm89, sm120, but the NVIDIA A10 here is sm86; .*=\[sm89,sm120,sm86\]",
        ),
    ],
)
def test_engines_that_do_not_fit(engine, card, change, message):
    with pytest.raises(HooklineError, match=message):
        open_engine(replace(engine, **change), "auto")
    assert card == []


def test_cards_before_ampere_must_be_named(engine, card, monkeypatch):
    monkeypatch.setattr(opening, "choose", lambda device: Gpu("GPU-1", "NVIDIA T4", "7.5", 0, 0, ""))
    with pytest.raises(HooklineError, match=r"for Ampere and later, but the NVIDIA T4 here is sm75; .*=\[sm75\]"):
        open_engine(replace(engine, machine=this_release()), "auto")


def test_an_engine_for_the_current_card_is_of_that_card(card, monkeypatch):
    monkeypatch.setattr(targets, "choose", lambda device: Gpu("GPU-1", "a card", device[5:], 0, 0, ""))
    assert TensorRtRtx(TrtRtxOptions()).machine("cuda:8.6") == {**this_release(), "card": "sm86"}
    assert TensorRtRtx(TrtRtxOptions()).machine("cuda:12.0") == {**this_release(), "card": "sm120"}


def test_without_a_card_there_is_none_in_the_key(monkeypatch):
    def refuse(device):
        raise UnavailableError("no GPU can be used", "")

    monkeypatch.setattr(targets, "choose", refuse)
    assert TensorRtRtx(TrtRtxOptions()).machine() == {**this_release(), "card": ""}


def test_engine_without_a_card(engine, no_card):
    with pytest.raises(UnavailableError, match=r"no GPU can be used: there is no driver; see \+stage=doctor"):
        open_engine(engine, "auto")


def test_models_are_not_opened(tmp_path):
    model = write_heads(tmp_path / "heads.onnx")
    with pytest.raises(HooklineError, match=r"opens engines only, not .heads\.onnx"):
        TensorRtRtx(TrtRtxOptions()).open(model, device="auto")


def job(context, warmup):
    model = grafted(write_heads(context.workdir / "heads.onnx"), context.workdir / "heads.onnx")
    return build_job(model, context.workdir / "tiny.engine", warmup=warmup, reporter=context, device=context.device)


def test_warm_up_runs_grey_images_on_the_card(tmp_path, engine, card):
    context, memory = make_context(tmp_path)
    warm_up_here(engine, job(context, 2))
    session = card[0][0]
    assert [batch.shape for batch in session.batches] == [(1, 3, 64, 96)] * 2
    assert np.unique(session.batches[0]) == pytest.approx(114 / 255)
    assert (session.closed, memory.notes) == (True, [])


def test_warm_up_without_a_card_is_reported(tmp_path, engine, no_card):
    context, memory = make_context(tmp_path)
    warm_up_here(engine, job(context, 3))
    assert memory.notes == ["build: the engine was not run here: no GPU can be used: there is no driver"]
    warm_up_here(engine, job(context, 0))
    assert len(memory.notes) == 1


def test_an_engine_that_cannot_be_run_here_is_built_all_the_same(tmp_path, engine, card, monkeypatch):
    """Engines run through CuPy; building them does not need it."""

    def refuse(gpu):
        raise UnavailableError("the CUDA kernels need the package CuPy", "install it")

    monkeypatch.setattr(opening, "open_on", refuse)
    context, memory = make_context(tmp_path)
    warm_up_here(engine, job(context, 3))
    assert memory.notes == ["build: the engine was not run here: the CUDA kernels need the package CuPy"]


class Here:
    """A device with a name only."""

    def here(self):
        return nullcontext()


@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="tests the message without a driver")
def test_library_itself_refuses_without_a_driver(engine):
    with pytest.raises(HooklineError, match=r"'tiny\.engine' cannot be opened: .*cudaError 35"):
        open_session(engine, load("tensorrt_rtx"), Here(), graphs=False)


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (
            "ICudaEngine",
            ["num_io_tensors", "get_tensor_name", "get_tensor_mode", "get_tensor_dtype", "get_tensor_profile_shape"],
        ),
        ("ICudaEngine", ["create_execution_context", "create_runtime_config", "device_memory_size_v2"]),
        ("IRuntimeConfig", ["set_execution_context_allocation_strategy", "create_runtime_cache", "set_runtime_cache"]),
        ("IRuntimeCache", ["serialize", "deserialize"]),
        ("ExecutionContextAllocationStrategy", ["USER_MANAGED"]),
        (
            "IExecutionContext",
            ["set_input_shape", "get_tensor_shape", "set_tensor_address", "infer_shapes", "execute_async_v3"],
        ),
        (
            "IExecutionContext",
            ["set_device_memory"],
        ),
        ("Runtime", ["deserialize_cuda_engine"]),
    ],
)
def test_calls_of_the_session_are_there(owner, names):
    assert [name for name in names if not hasattr(getattr(load("tensorrt_rtx").trt, owner), name)] == []


def test_a_fresh_engine_that_cannot_be_opened_on_its_card_is_an_error(tmp_path, engine, card, monkeypatch):
    def refuse(*arguments, **options):
        raise HooklineError("'tiny.engine' cannot be opened: magic tag does not match", "build it again")

    monkeypatch.setattr(opening, "open_session", refuse)
    context, memory = make_context(tmp_path)
    with pytest.raises(HooklineError, match="magic tag does not match"):
        warm_up_here(engine, job(context, 3))
    assert memory.notes == []


def test_a_card_of_unknown_capability_is_left_to_the_library(engine, card, monkeypatch):
    monkeypatch.setattr(opening, "choose", lambda device: Gpu("", "the GPU of Windows", "", 0, 0, ""))
    assert open_engine(engine, "auto") is card[0][0]
