"""The runtime for the stages: what happens before CUDA starts, and how engines are opened."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from backends.nvidia import gpu as nvidia_gpu
from backends.nvidia.nvml import Gpu
from backends.trt import library, opening
from backends.trt.library import Library
from backends.trt.machine import machine_facts
from backends.trt.options import TrtOptions
from backends.trt.runtime import TensorRt
from core.artifacts import Engine, OnnxModel
from core.errors import HooklineError
from tests.backends.trt.engines import NOTHING, about

L4 = Gpu("GPU-1", "NVIDIA L4", "8.9", 24, 20, "580.95.05")
T4 = replace(L4, uuid="GPU-2", name="Tesla T4", capability="7.5")
RELEASE = Library(None, "TensorRT", "10.16.1.11", NOTHING, None)


@pytest.fixture
def opened(monkeypatch) -> list:
    """Calls that start CUDA or open a plan."""
    calls: list = []
    monkeypatch.setattr(library, "load", lambda: RELEASE)
    monkeypatch.setattr(nvidia_gpu, "choose", lambda device: T4 if device == "cuda:1" else L4)
    monkeypatch.setattr(opening, "open_on", lambda gpu: calls.append(gpu.uuid))
    monkeypatch.setattr(
        opening,
        "open_session",
        lambda engine, release, device, *, graphs: calls.append(graphs) or SimpleNamespace(engine=engine),
    )
    return calls


@pytest.fixture
def engine(tmp_path) -> Engine:
    path = tmp_path / "a.engine"
    path.write_bytes(b"plan")
    return replace(about(), path=path, machine=machine_facts(RELEASE, L4))


def test_the_key_of_the_store_starts_no_cuda(opened):
    assert TensorRt(TrtOptions()).machine()["gpu"] == "NVIDIA L4"
    assert TensorRt(TrtOptions()).machine("cuda:1")["capability"] == "7.5"
    assert opened == []


@pytest.mark.parametrize("graphs", [True, False])
def test_an_engine_that_fits_is_opened_on_the_gpu_that_was_chosen(opened, engine, graphs):
    session = TensorRt(TrtOptions(graphs=graphs)).open(engine, device="auto")
    assert session.engine is engine
    assert opened == ["GPU-1", graphs]


def test_an_engine_of_another_gpu_is_never_deserialised(opened, engine):
    with pytest.raises(HooklineError, match=r"GPU NVIDIA L4 \(here Tesla T4\).*rebuild it here with \+stage=build"):
        TensorRt(TrtOptions()).open(engine, device="cuda:1")
    assert opened == []


def test_a_plan_that_was_changed_is_never_deserialised(opened, engine):
    with pytest.raises(HooklineError, match="is not the file that was written"):
        TensorRt(TrtOptions()).open(replace(engine, sha256="0" * 64), device="auto")
    assert opened == []


def test_models_are_not_opened(opened, engine):
    fields = {name: getattr(engine, name) for name in ("path", "facts", "contract", "layout")}
    model = OnnxModel(**fields)
    with pytest.raises(HooklineError, match="tensorrt opens engines only"):
        TensorRt(TrtOptions()).open(model, device="auto")
