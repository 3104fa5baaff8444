"""Check the fake of building against the real bindings (run by test_over_bindings.py).

The tests of building use a fake module (fake_tensorrt.py). Each of its names must exist in the real module with the
same arguments.
"""

from __future__ import annotations

import inspect
import re
import threading
from types import FunctionType
from typing import Any

import pytest
import tensorrt as trt

from backends.trt import capabilities, library
from backends.trt.building import make_builder
from backends.trt.logger import make_logger
from backends.trt.monitor import BuildProgress, make_monitor
from core.errors import HooklineError
from tests.backends.trt import fake_tensorrt
from tests.backends.trt.fake_tensorrt import Setting

MAJOR = int(trt.__version__.split(".")[0])
FAKE = fake_tensorrt.fake_tensorrt(MAJOR)
KINDS = [
    fake_tensorrt.Builder,
    FAKE.IBuilderConfig,
    FAKE.INetworkDefinition,
    FAKE.OnnxParser,
    FAKE.ITensor,
    fake_tensorrt.ITimingCache,
    fake_tensorrt.IOptimizationProfile,
    fake_tensorrt.ParserError,
]


def real(kind: type) -> Any:
    return getattr(trt, re.sub(r"10$", "", kind.__name__))


def members(wanted: type) -> list[Any]:
    """Return the public members of a class and its bases, per kind."""
    return [
        pytest.param(kind, name, value, id=f"{kind.__name__}.{name}")
        for kind in KINDS
        for name, value in inspect.getmembers_static(kind)
        if not name.startswith("_") and isinstance(value, wanted)
    ]


@pytest.mark.parametrize(("kind", "name", "fake"), members(FunctionType))
def test_functions(kind: type, name: str, fake: Any) -> None:
    signature = str(getattr(real(kind), name).__doc__)
    _self, *names = inspect.signature(fake).parameters
    arguments = re.findall(r"(\w+): ", signature.split("(", 1)[1].split(") ->", maxsplit=1)[0])
    assert arguments[1 : 1 + len(names)] == names, signature


@pytest.mark.parametrize(("kind", "name", "fake"), members(Setting))
def test_settings(kind: type, name: str, fake: Any) -> None:
    found = getattr(real(kind), name)
    assert isinstance(found, property)
    assert found.fset is not None


@pytest.mark.parametrize(("kind", "name", "fake"), members(property))
def test_properties(kind: type, name: str, fake: Any) -> None:
    assert isinstance(getattr(real(kind), name), property)


@pytest.mark.parametrize("name", fake_tensorrt.COMMON)
def test_enumerations(name: str) -> None:
    # Enum values differ between releases; those of the fake belong to no release.
    assert set(getattr(FAKE, name).__members__) <= set(getattr(trt, name).__members__)


def test_capabilities() -> None:
    found, wanted = capabilities.read_capabilities(trt), capabilities.read_capabilities(FAKE)
    assert set(wanted.tactic_sources) <= set(found.tactic_sources)
    assert set(wanted.hardware_levels) == set(found.hardware_levels)
    for name in ("calibrators", "dynamic_ranges", "plugins", "timing_cache", "dla"):
        assert getattr(found, name) == getattr(wanted, name), name
    assert (found.calibrators, found.dynamic_ranges) == (MAJOR == 10,) * 2


def test_the_library() -> None:
    found = library.load("tensorrt")
    assert found.version == trt.__version__
    assert found is library.load("tensorrt")


def test_the_logger_keeps_what_the_bindings_say() -> None:
    logger = make_logger(trt)
    begun = logger.journal.count
    logger.log(trt.ILogger.Severity.ERROR, "wrong")
    logger.log(trt.ILogger.Severity.WARNING, "odd")
    assert logger.journal.since(begun) == ["wrong"]
    assert logger is make_logger(trt)


def test_the_monitor_is_one() -> None:
    course = BuildProgress()
    monitor = make_monitor(trt, course)
    assert isinstance(monitor, trt.IProgressMonitor)
    monitor.phase_start("Building", None, 2)
    assert monitor.step_complete("Building", 0)
    course.cancelled.set()
    assert not monitor.step_complete("Building", 1)
    monitor.phase_finish("Building")


def test_the_names_of_what_the_monitor_overrides() -> None:
    for name in ("phase_start", "step_complete", "phase_finish"):
        documented = re.search(rf"{name}\(([^)]*)\)", str(getattr(trt.IProgressMonitor, name).__doc__))
        assert documented, name


def test_a_library_that_makes_no_builder() -> None:
    with pytest.raises(
        HooklineError, match=rf"TensorRT {trt.__version__} cannot create a builder: .*; check driver and GPU"
    ):
        make_builder(library.load("tensorrt"))
    assert threading.active_count() == 1
