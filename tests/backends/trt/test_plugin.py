"""The descriptor of the runtime: when it is usable, and what it refuses before anything runs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from backends.trt import library
from backends.trt.options import Method, TrtOptions
from backends.trt.plugin import check_build, hookline_runtimes, probe
from core.errors import HooklineError, UnavailableError
from core.kinds.building import BuildRequest
from core.kinds.check import broken
from core.model_facts import Int8Route, Precision
from stages.build import check
from stages.build.config import BuildConfig
from tests.support.stage_tools import make_context

CALIBRATED = TrtOptions(int8=Int8Route.calibrator)
INT8 = BuildRequest(precision=Precision.int8, batch=None, imgsz=None, device="auto")


def there(monkeypatch, packages: set[str], *, driver: bool) -> None:
    """A machine with these packages, whose GPU is known from files only."""
    problem = None if driver else broken("NVIDIA driver", "no kernel module is loaded", "sudo modprobe nvidia")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in packages else None)
    monkeypatch.setattr("backends.nvidia.driver.driver_problem", lambda here: problem)
    monkeypatch.setattr("ctypes.CDLL", lambda name, *_, **__: pytest.fail(f"{name} was loaded"))


@pytest.mark.parametrize(
    ("packages", "driver", "reason"),
    [
        (set(), True, "TensorRT is not installed"),
        ({"tensorrt"}, True, "CuPy"),
        ({"tensorrt", "cupy"}, False, "no kernel module is loaded"),
    ],
)
def test_what_is_missing_is_named(monkeypatch, packages, driver, reason):
    there(monkeypatch, packages, driver=driver)
    state = probe()
    assert not state.usable
    assert reason in state.reason
    assert state.hint


def test_usable_where_all_is_there(monkeypatch):
    there(monkeypatch, {"tensorrt", "cupy"}, driver=True)
    assert probe().usable


def test_a_gpu_that_is_not_there_is_a_problem_of_the_plan(monkeypatch, tmp_path):
    """Building and opening need TensorRT; writing the ONNX file for another machine does not."""
    there(monkeypatch, {"tensorrt", "cupy"}, driver=True)
    missing = HooklineError("there is no GPU 7 for device=cuda:7", "possible: auto, cuda:0 (NVIDIA L4)")

    def choose(device: str) -> None:
        if device == "cuda:7":
            raise missing

    monkeypatch.setattr("backends.nvidia.gpu.choose", choose)
    (runtime,) = hookline_runtimes()
    assert list(runtime.check_device("cuda:7")) == [missing]
    assert list(runtime.check_device("auto")) == []
    assert not runtime.builds_anywhere


def context_with_runtime(folder, options=None):
    context, _ = make_context(folder, runtimes=list(hookline_runtimes()))
    return replace(context, options=lambda _kind, _name: options or TrtOptions())


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        (TrtOptions(), "none"),
        (TrtOptions(method=Method.table), "none"),
        (CALIBRATED, "images"),
        (replace(CALIBRATED, method=Method.entropy), "images"),
        (replace(CALIBRATED, method=Method.table), "table"),
    ],
)
def test_what_the_options_need_for_a_calibration(options, needs):
    (runtime,) = hookline_runtimes()
    assert runtime.calibrates(options) == needs


def test_options_of_a_build(tmp_path):
    context = context_with_runtime(tmp_path)
    config = BuildConfig(backend="tensorrt", batch={"min": 1, "opt": 8, "max": 16}, imgsz=640)
    assert list(check(config, context)) == []


@pytest.mark.parametrize(("calibrators", "problems"), [(True, 0), (False, 1)])
def test_calibrators_are_asked_for_before_anything_runs(monkeypatch, tmp_path, calibrators, problems):
    there(monkeypatch, {"tensorrt", "cupy"}, driver=True)
    release = SimpleNamespace(
        title="TensorRT",
        version="11.4",
        capabilities=SimpleNamespace(calibrators=calibrators, dynamic_ranges=calibrators),
    )
    monkeypatch.setattr(library, "load", lambda: release)
    config = BuildConfig(backend="tensorrt", precision=Precision.int8, source=None, data=None, pictures=10)
    told = list(check(config, context_with_runtime(tmp_path, CALIBRATED)))
    assert len(told) == problems
    assert all("has no calibrators" in str(problem) for problem in told)


def test_a_library_that_cannot_be_loaded_is_a_problem_of_the_plan(monkeypatch):
    there(monkeypatch, {"tensorrt", "cupy"}, driver=True)

    def load():
        raise UnavailableError("TensorRT cannot be loaded: libnvinfer.so.10", "+stage=doctor looks closer")

    monkeypatch.setattr(library, "load", load)
    assert [str(problem) for problem in check_build(CALIBRATED)] == [
        "TensorRT cannot be loaded: libnvinfer.so.10; +stage=doctor looks closer"
    ]


def test_tensorrt_is_not_loaded_for_what_needs_no_question(monkeypatch):
    there(monkeypatch, {"tensorrt", "cupy"}, driver=True)
    monkeypatch.setattr(library, "load", lambda: pytest.fail("it was loaded"))
    assert list(check_build(TrtOptions())) == []
