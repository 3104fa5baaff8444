"""Import the module, read its features, log its messages."""

from __future__ import annotations

import logging
import os
import sys
from functools import partial

import numpy as np
import pytest

from backends.trt import library
from backends.trt.capabilities import read_capabilities
from backends.trt.logger import KEPT_MESSAGES, Journal, make_logger, plain
from backends.trt.monitor import BuildProgress, cancellable
from core.errors import UnavailableError
from tests.backends.trt.fake_tensorrt import fake_tensorrt


@pytest.fixture(autouse=True)
def fresh():
    library.load.cache_clear()
    yield
    library.load.cache_clear()


def test_the_module_is_loaded_once(monkeypatch):
    trt = fake_tensorrt(11)
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setenv("CUDA_MODULE_LOADING", "EAGER")
    found = library.load()
    assert found.trt is trt
    assert (found.title, found.version) == ("TensorRT", "11.0.0.0")
    assert found is library.load()
    assert found.logger is make_logger(trt)


def test_kernels_are_loaded_when_they_are_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt())
    monkeypatch.delenv("CUDA_MODULE_LOADING", raising=False)
    library.load()
    assert os.environ["CUDA_MODULE_LOADING"] == "LAZY"


def test_a_missing_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(
        UnavailableError, match=r"TensorRT cannot be loaded: .*see \+stage=doctor; pip install tensorrt-cu13"
    ):
        library.load()


@pytest.mark.parametrize("kind", ["ImportError", "OSError"])
def test_a_missing_library(tmp_path, monkeypatch, kind):
    tmp_path.joinpath("tensorrt.py").write_text(
        f"raise {kind}('libnvinfer.so.11: cannot open shared object file:\\n No such file')", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    with pytest.raises(UnavailableError) as caught:
        library.load()
    assert "libnvinfer.so.11: cannot open shared object file: No such file; " in str(caught.value)


def test_a_release_that_is_too_old():
    trt = fake_tensorrt()
    del trt.IProgressMonitor
    with pytest.raises(UnavailableError, match=r"TensorRT 10\.0\.0\.0 is too old: it has no IProgressMonitor; pip"):
        library.adopt(trt)


def test_bindings_that_misread_arrays_of_this_numpy(monkeypatch):
    trt = fake_tensorrt()
    monkeypatch.setattr(trt.PluginField, "data", property(lambda _: np.zeros(3), lambda *_: None), raising=False)
    with pytest.raises(UnavailableError, match=r"TensorRT 10\.0\.0\.0 misreads arrays of NumPy .*numpy<2"):
        library.adopt(trt)


def test_ten_chooses_precisions_and_eleven_does_not():
    ten, eleven = (read_capabilities(fake_tensorrt(major)) for major in (10, 11))
    assert (ten.calibrators, ten.dynamic_ranges) == (True, True)
    assert (eleven.calibrators, eleven.dynamic_ranges) == (False, False)
    assert ten.plugins
    assert eleven.plugins
    assert (ten.timing_cache, eleven.timing_cache) == (True, True)
    assert set(ten.tactic_sources) > set(eleven.tactic_sources)


def test_where_cards_are_named_nothing_is_measured():
    trt = fake_tensorrt(11)
    trt.IBuilderConfig = type("IBuilderConfig", (trt.IBuilderConfig,), {"set_compute_capability": None})
    found = read_capabilities(trt)
    assert (found.timing_cache, found.dla, found.version_compatible) == (False, False, False)


def test_messages_go_to_the_log_of_the_run(caplog):
    logger = make_logger(fake_tensorrt())
    with caplog.at_level(logging.DEBUG, "hookline"):
        for severity, text in ((0, "internal"), (1, "wrong"), (2, "odd"), (3, "news"), (4, "chat")):
            logger.log(severity, text)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "TensorRT: internal"),
        (logging.ERROR, "TensorRT: wrong"),
        (logging.WARNING, "TensorRT: odd"),
        (logging.DEBUG, "TensorRT: news"),
        (logging.DEBUG, "TensorRT: chat"),
    ]


def journal(*messages: tuple[int, str]) -> Journal:
    made = Journal()
    for severity, text in messages:
        made.add(severity, text)
    return made


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ((), "it logged no reason"),
        (((3, "news"),), "it logged no reason"),
        (((2, "odd"), (2, "odder")), "odder"),
        (((1, "a"),), "a"),
        (((1, "a"), (1, "a")), "a"),
        (((1, "a"), (2, "odd"), (0, "b"), (1, "c")), "a ... c"),
    ],
)
def test_reasons(messages, reason):
    assert journal(*messages).reason(0) == reason


def test_a_reason_is_of_the_last_call():
    made = journal((1, "of the build before"))
    begun = made.count
    assert made.reason(begun) == "it logged no reason"
    made.add(1, "of this build")
    assert made.reason(begun) == "of this build"


def test_the_newest_messages_are_kept():
    made = journal(*((1, str(number)) for number in range(KEPT_MESSAGES + 5)))
    assert made.count == KEPT_MESSAGES + 5
    assert made.since(0)[0] == "5"


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("IBuilder::build: Error Code 4: API Usage Error (No profile. In f at /_src/a.cpp:4)", "No profile"),
        ("[defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)", "out of memory"),
        ("Error Code 2: OutOfMemory (Requested size was 9 bytes.)", "out of memory: Requested size was 9 bytes"),
        ("something\n  else", "something else"),
    ],
)
def test_sentences(message, sentence):
    assert plain(message) == sentence


class Line:
    def __init__(self):
        self.notes = []

    def advance(self, steps=1, note=""):
        self.notes.append(note)


def test_the_innermost_phase_is_shown():
    line = Line()
    course = BuildProgress(partial(line.advance, 0))
    course.begin("outer", 2)
    course.begin("inner", 1)
    assert course.step("inner", 0)
    course.end("inner")
    course.end("outer")
    assert line.notes == ["outer 0/2", "inner", "inner", "outer 0/2"]


def test_steps_of_an_unknown_phase():
    assert BuildProgress().step("unheard of", 3)


def test_an_exception_of_the_work_is_raised():
    with pytest.raises(ZeroDivisionError):
        cancellable(lambda: 1 // 0, BuildProgress())


def test_work_that_succeeds():
    assert cancellable(lambda: 7, BuildProgress()) == 7
