from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.files.standard_error import private_stderr
from core.media.native_output import captured

DAMAGE = "Corrupt JPEG data: premature end of data segment"
TIMEOUT = 60
"""Seconds until a test gives up; a loaded machine may let a thread wait for long."""


def write(text: str) -> None:
    os.write(2, text.encode())


@pytest.fixture
def terminal(capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What reached descriptor 2."""
    return lambda: capfd.readouterr().err


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_lines_of_libraries_come_back_and_never_reach_the_terminal(terminal: Callable[[], str]) -> None:
    result, lines = captured(lambda: (write(f"{DAMAGE}\nlibpng warning: iCCP: odd\n"), 7)[1])
    assert (result, lines) == (7, (DAMAGE, "libpng warning: iCCP: odd"))
    assert captured(lambda: None) == (None, ())
    assert terminal() == ""


def test_lines_of_others_are_passed_on(terminal: Callable[[], str]) -> None:
    _, lines = captured(lambda: write(f"a warning of Python\n{DAMAGE}\nmore ü\n"))
    assert lines == (DAMAGE,)
    write("after\n")
    assert terminal() == "a warning of Python\nmore ü\nafter\n"


def test_an_exception_restores_the_descriptor(terminal: Callable[[], str]) -> None:
    def broken() -> None:
        write(f"{DAMAGE}\nmine\n")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        captured(broken)
    write("after\n")
    assert terminal() == "mine\nafter\n"


def test_threads_get_exactly_their_own_lines(terminal: Callable[[], str]) -> None:
    def work(number: int) -> tuple[str, ...]:
        def noisy() -> None:
            if number % 3 == 0:
                write(f"Corrupt JPEG data: number {number}\n")
            time.sleep(0.001)

        return captured(noisy)[1]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(200)))
    expected = [(f"Corrupt JPEG data: number {number}",) if number % 3 == 0 else () for number in range(200)]
    assert found == expected
    assert terminal() == ""


def test_overlaps_are_attributed_by_working_again_alone(terminal: Callable[[], str]) -> None:
    """A writes while B is inside, and leaves while C is: neither B nor C may get the line, whoever leaves last."""
    runs: list[str] = []
    first, second = threading.Barrier(2, timeout=TIMEOUT), threading.Barrier(2, timeout=TIMEOUT)

    def loud() -> None:
        runs.append("loud")
        if runs.count("loud") == 1:
            first.wait()
            write(f"{DAMAGE}\n")
            second.wait()
        else:
            write(f"{DAMAGE}\n")

    def silent() -> None:
        runs.append("silent")
        if runs.count("silent") == 1:
            first.wait()
            second.wait()

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(captured, [loud, silent]))
    assert [lines for _, lines in found] == [(DAMAGE,), ()]
    assert sorted(runs) == ["loud", "loud", "silent", "silent"]


def test_nobody_enters_while_another_works_alone(terminal: Callable[[], str]) -> None:
    """Either of the two that overlap may be the first to work again."""
    both, alone, waiting = threading.Barrier(2, timeout=TIMEOUT), threading.Event(), threading.Event()
    runs: list[str] = []

    def loud() -> None:
        runs.append("loud")
        if runs.count("loud") == 1:
            both.wait()
            write(f"{DAMAGE}\n")
            both.wait()
        else:
            write(f"{DAMAGE}\n")
            alone.set()
            assert waiting.wait(TIMEOUT)
            time.sleep(0.1)

    def silent() -> None:
        runs.append("silent")
        if runs.count("silent") == 1:
            both.wait()
            both.wait()

    def late() -> tuple[None, tuple[str, ...]]:
        assert alone.wait(TIMEOUT)
        waiting.set()
        return captured(lambda: write("libpng warning: IDAT: mine\n"))

    with ThreadPoolExecutor(3) as pool:
        found = [pool.submit(captured, loud), pool.submit(captured, silent), pool.submit(late)]
        lines = [item.result()[1] for item in found]
    assert lines == [(DAMAGE,), (), ("libpng warning: IDAT: mine",)]
    assert sorted(runs) == ["loud", "loud", "silent", "silent"]


def test_lines_of_others_do_not_make_anybody_work_again(terminal: Callable[[], str]) -> None:
    runs: list[int] = []
    both = threading.Barrier(2, timeout=TIMEOUT)

    def work() -> None:
        runs.append(1)
        both.wait()
        write("a line of Python\n")
        both.wait()

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(captured, [work, work]))
    assert [lines for _, lines in found] == [(), ()]
    assert len(runs) == 2
    assert terminal() == "a line of Python\n" * 2


def test_no_descriptor_leaks(terminal: Callable[[], str]) -> None:
    captured(lambda: None)
    before = open_descriptors()
    for _ in range(50):
        captured(lambda: write(f"{DAMAGE}\n"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(captured, [lambda: write(f"{DAMAGE}\n")] * 50))
    assert open_descriptors() == before


def run_python(code: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60, **options)


def test_works_where_descriptor_2_is_closed(repo_root: Path) -> None:
    code = f"""
import os
os.close(2)
from core.files.standard_error import private_stderr
from core.media.native_output import captured
assert captured(lambda: os.write(2, b"{DAMAGE}\\n"))[1] == ("{DAMAGE}",)
print("nowhere", file=private_stderr())
try:
    os.fstat(2)
except OSError:
    print("closed again")
"""
    done = run_python(code, cwd=repo_root)
    assert (done.returncode, done.stdout) == (0, b"closed again\n")


def test_a_fork_while_another_thread_is_inside_shares_nothing(repo_root: Path) -> None:
    """As a DataLoader starts its workers while images are read."""
    code = f"""
import os, threading, warnings
from core.media.native_output import captured
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork with threads
inside, leave = threading.Event(), threading.Event()
thread = threading.Thread(target=captured, args=[lambda: (inside.set(), leave.wait(20))])
thread.start()
inside.wait()
child = os.fork()
if not child:
    os.write(2, b"child\\n")
    lines = captured(lambda: os.write(2, b"{DAMAGE}\\n"))[1]
    os.write(2, b"child again\\n" if lines == ("{DAMAGE}",) else b"lost\\n")
    os._exit(0)
os.waitpid(child, 0)
leave.set()
thread.join()
assert captured(lambda: None)[1] == ()
os.write(2, b"parent\\n")
"""
    done = run_python(code, cwd=repo_root)
    assert done.stderr.decode() == "child\nchild again\nparent\n"


def test_the_private_stream_is_not_captured(terminal: Callable[[], str]) -> None:
    with private_stderr() as stream:
        captured(lambda: print("ü \udc80", file=stream))
        assert not stream.isatty()
    assert terminal() == "ü \\udc80\n"


def test_costs_little(terminal: Callable[[], str]) -> None:
    """3 microseconds on the machine where it was written; the bound is for slow ones."""
    captured(lambda: None)
    begin = time.perf_counter()
    for _ in range(1000):
        captured(lambda: None)
    assert time.perf_counter() - begin < 0.1
