"""The worker process, as the waiting program controls it."""

from __future__ import annotations

import os

import pytest

from backends.trt_rtx.process import run_worker
from core.errors import HooklineError

FAKE = "tests.backends.trt_rtx.fake_worker"


def run(act, listen=lambda message: None):
    run_worker({"act": act}, "'yolov5n.onnx'", listen, worker=FAKE)


def test_messages_are_passed_on():
    heard = []
    run("nothing", heard.append)
    assert [message["phase"] for message in heard] == ["begun"]


def test_a_refusal_is_the_error_of_the_worker():
    with pytest.raises(HooklineError, match="no such card; take another"):
        run("refuse")


@pytest.mark.parametrize(
    ("act", "message"),
    [
        ("crash", r"ended with signal SIGSEGV while it built 'yolov5n.onnx': \[E\] something \| \[E\] the last word"),
        ("traceback", r"ended with exit code 1 while .*RuntimeError: a bug"),
        ("silent exit", "ended with exit code 3 while it built 'yolov5n.onnx'; "),
    ],
)
def test_a_crash_is_one_line_with_the_end_of_the_log(act, message):
    with pytest.raises(HooklineError, match=message) as caught:
        run(act)
    assert "\n" not in str(caught.value)


def test_no_process_is_left_where_the_program_is_interrupted():
    pids = []

    def interrupted(message):
        pids.append(message["pid"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("sleep", interrupted)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_a_worker_that_cannot_start_says_why():
    with pytest.raises(HooklineError, match=r"exit code 1 while it built 'x'.*No module named"):
        run_worker({}, "'x'", print, worker="tests.trt_rtx.not_there")
