"""The descriptor of the runtime: when it can be used, and what it refuses before anything runs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from backends.trt import library
from backends.trt.plugin import check_build, hookline_runtimes, probe
from core.artifacts import Int8Route, Precision
from core.errors import UnavailableError
from stages.build import BuildConfig, check
from tests.stage_tools import make_context

CALIBRATED = BuildConfig(
    backend="tensorrt", precision=Precision.int8, int8=Int8Route.calibrator, source=None, data=None, pictures=10
)


def there(monkeypatch, packages: set[str], *, driver: bool) -> None:
    def load(name: str) -> None:
        if not driver:
            raise OSError(name)

    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in packages else None)
    monkeypatch.setattr("ctypes.CDLL", load)


@pytest.mark.parametrize(
    ("packages", "driver", "reason"),
    [
        (set(), True, "TensorRT is not installed"),
        ({"tensorrt"}, True, "CuPy"),
        ({"tensorrt", "cupy"}, False, "driver is not there"),
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


def context_with_runtime(folder):
    return make_context(folder, runtimes=list(hookline_runtimes()))[0]


def test_options_of_a_build(tmp_path):
    context = context_with_runtime(tmp_path)
    config = BuildConfig(backend="tensorrt", batch={"min": 1, "opt": 8, "max": 16}, imgsz=640)
    assert list(check(config, context)) == []
    cards = BuildConfig(backend="tensorrt", compute_capabilities=["sm89"])
    assert [str(problem) for problem in check(cards, context)] == [
        "tensorrt takes no build.compute_capabilities; leave it out"
    ]


@pytest.mark.parametrize(("calibrators", "problems"), [(True, 0), (False, 1)])
def test_calibrators_are_asked_for_before_anything_runs(monkeypatch, tmp_path, calibrators, problems):
    there(monkeypatch, {"tensorrt", "cupy"}, driver=True)
    release = SimpleNamespace(
        title="TensorRT",
        version="11.4",
        capabilities=SimpleNamespace(calibrators=calibrators, dynamic_ranges=calibrators),
    )
    monkeypatch.setattr(library, "load", lambda: release)
    told = list(check(CALIBRATED, context_with_runtime(tmp_path)))
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
    assert list(check_build(BuildConfig(backend="tensorrt"))) == []
