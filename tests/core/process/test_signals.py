"""Signals that arrive at a bad moment, each in a new process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
import os, signal, time, weakref
from core.process.signals import Terminated, end_by_exception, interruption_first
end_by_exception(signal.SIGINT, signal.SIGTERM)
"""


def run(code: str, repo_root: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code], cwd=repo_root, capture_output=True, text=True, check=True
    )
    assert "Traceback" not in done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_in_a_callback_that_ignores_exceptions_is_sent_again(repo_root: Path, name: str) -> None:
    code = f"""
class Thing: ...
thing = Thing()
def callback(_):
    os.kill(os.getpid(), signal.{name})
    for _ in range(1000): pass
watch = weakref.ref(thing, callback)
try:
    del thing
    time.sleep(5)
    print("slept")
except KeyboardInterrupt as error:
    print(type(error).__name__)
"""
    assert run(code, repo_root) == {"SIGINT": "KeyboardInterrupt", "SIGTERM": "Terminated"}[name]


def test_another_ignored_exception_is_reported(repo_root: Path) -> None:
    code = "class Thing:\n    def __del__(self): raise ValueError('mine')\nThing()\n"
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code], cwd=repo_root, capture_output=True, text=True, check=True
    )
    assert "ValueError: mine" in done.stderr


def test_an_ignored_signal_stays_ignored(repo_root: Path) -> None:
    code = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + BEGIN + "os.kill(os.getpid(), signal.SIGTERM); print('on')"
    )
    assert run(code, repo_root) == "on"


def test_a_forked_process_ends_by_the_signal(repo_root: Path) -> None:
    code = """
reader, writer = os.pipe()
child = os.fork()
if not child:
    os.write(writer, b"1")  # a signal that comes before Python has set up the child is lost
    time.sleep(10)
    os._exit(9)
os.read(reader, 1)
os.kill(child, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(code, repo_root) == "-15"


def test_an_error_after_a_signal_becomes_the_interruption(repo_root: Path) -> None:
    code = """
try:
    with interruption_first():
        try:
            os.kill(os.getpid(), signal.SIGTERM); time.sleep(1)
        except BaseException:
            raise ImportError("x")
except Terminated as error:
    print(error)
"""
    assert run(code, repo_root) == "ended by SIGTERM"


def test_a_signal_during_an_import_waits_for_its_end(repo_root: Path, tmp_path: Path) -> None:
    (tmp_path / "heavy.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nfor _ in range(100000): pass\nwhole = True\n"
    )
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
try:
    import heavy
    print(heavy.whole)
    time.sleep(5)
except Terminated as error:
    print(error)
"""
    assert run(code, repo_root).splitlines() == ["True", "ended by SIGTERM"]
