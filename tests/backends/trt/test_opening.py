"""Opening plans: the order of the steps, and the message of each refusal."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from backends.trt import opening
from backends.trt.library import Library
from backends.trt.logger import Journal
from core.artifacts import Engine
from core.errors import HooklineError, UnavailableError
from tests.backends.trt.conftest import Bindings
from tests.backends.trt.engines import NOTHING, TRT, EngineShim, FakeEngine, about, expected


class Fake:
    """A TensorRT that deserialises b"plan" and records its calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, says: str = "", starts: bool = True) -> None:
        self.done: list[str] = []
        self.device, self.says, self.starts = EngineShim(), says, starts
        self.runtime = SimpleNamespace(engine_host_code_allowed=False, deserialize_cuda_engine=self.deserialize)
        logger = SimpleNamespace(journal=Journal())
        trt = SimpleNamespace(Runtime=self.start, **vars(TRT))
        capabilities = replace(NOTHING, plugins=True)
        self.library = Library(trt, "TensorRT", "10.16.1", capabilities, logger)
        monkeypatch.setattr(opening, "register", lambda library: self.done.append("register"))

    def start(self, logger: object) -> SimpleNamespace:
        if not self.starts:
            raise TypeError("pybind11::init(): factory function returned nullptr\nInvoked with: ...")
        return self.runtime

    def deserialize(self, content: bytes) -> FakeEngine | None:
        self.done.append("deserialize")
        if content != b"plan" or self.says:
            self.library.journal.add(1, self.says or "magicTag is wrong")
            return None
        return FakeEngine(self.device)

    def open(self, engine: Engine) -> opening.TrtSession:
        return opening.open_session(engine, self.library, self.device, graphs=True)


@pytest.fixture
def engine(tmp_path) -> Engine:
    path = tmp_path / "a.engine"
    path.write_bytes(b"plan")
    return replace(about(), path=path, machine={"plugins": "YoloLayer_TRT"})


def test_the_plugin_is_registered_before_the_plan_is_read(monkeypatch, engine):
    fake = Fake(monkeypatch)
    with fake.open(engine) as session:
        assert fake.done == ["register", "deserialize"]
        images = np.random.default_rng(0).random((3, 3, 8, 8), np.float32)
        np.testing.assert_array_equal(session.run(images)["count"], expected(images)["count"])
    assert not fake.runtime.engine_host_code_allowed


def test_an_engine_without_plugins_registers_none(monkeypatch, engine):
    fake = Fake(monkeypatch)
    fake.open(replace(engine, machine={}))
    assert fake.done == ["deserialize"]


def test_host_code_runs_only_where_the_engine_was_built_with_it(monkeypatch, engine):
    fake = Fake(monkeypatch)
    fake.open(replace(engine, settings={"version_compatible": "True"}))
    assert fake.runtime.engine_host_code_allowed


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ("magicTag is wrong", r"cannot be opened: magicTag is wrong; build it again: \+stage=build"),
        ("Requested amount of GPU memory could not be allocated", "not enough memory.*device=cuda:N"),
        ("Cannot find plugin YoloLayer_TRT", r"needs a plugin that is not registered \(YoloLayer_TRT\)"),
    ],
)
def test_a_plan_that_is_refused(monkeypatch, engine, says, message):
    with pytest.raises(HooklineError, match=message):
        Fake(monkeypatch, says=says).open(engine)


def test_a_truncated_plan(monkeypatch, engine):
    engine.path.write_bytes(b"pl")
    with pytest.raises(HooklineError, match=r"cannot be opened: magicTag is wrong.*reuse=false"):
        Fake(monkeypatch).open(engine)


def test_tensorrt_that_does_not_start(monkeypatch, engine):
    message = r"does not start: pybind11::init\(\): factory function returned nullptr; .* \+stage=doctor"
    with pytest.raises(HooklineError, match=message):
        Fake(monkeypatch, starts=False).open(engine)


def test_a_release_without_plugins_in_the_engine(monkeypatch):
    with pytest.raises(UnavailableError, match=r"TensorRT 10\.16\.1 has no ahead-of-time plugins; .*plugin=python"):
        opening.register_ahead_of_time(Fake(monkeypatch).library)


def test_over_bindings(bindings: Bindings) -> None:
    bindings.pytest("tests/backends/trt/over_bindings_session.py")
