"""Every fault is detected: programs with one planted fault each, in children as the cases run in."""

from __future__ import annotations

import mmap
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attack.accepted import REASONS
from tests.attack.attempt import Attempt, Job
from tests.attack.case import Case
from tests.attack.children import Ended, forked, fresh
from tests.attack.kinds import KINDS
from tests.attack.limits import Limits
from tests.attack.place import Place
from tests.attack.verdicts import Found, Verdict, judge
from tests.support.snapshots import changes

TIGHT = Limits(seconds=1, wall=20, memory=1 << 30, resident=100 << 20)
IMPATIENT = Case((), patience=1)


def judged(place: Place, main: Callable[[], int]) -> Found:
    """The verdicts of the suite on a program."""
    place.make()
    before = place.guarded()
    ended = forked(IMPATIENT, place, TIGHT, main)
    changed = [line for line in changes(before, place.guarded()) if "'writes'" not in line]
    return judge(ended, TIGHT, canary=place.canary.exists(), changed=changed, leftovers=place.leftovers())


def _error(text: str, code: int = 2) -> int:
    print(text, file=sys.stderr)
    return code


def _leave(name: str) -> int:
    path = Path("outputs", name)
    path.parent.mkdir(parents=True)
    path.write_text("x")
    return _error("error: no")


def _raise() -> int:
    raise ValueError("a bug")


def _compute() -> int:
    while True:
        pass


def _wait() -> int:
    time.sleep(60)
    return 0


def _take_memory() -> int:
    taken = mmap.mmap(-1, 200 << 20)  # the heap may have as much that other tests have freed
    for page in range(0, len(taken), mmap.PAGESIZE):
        taken[page] = 1
    return 0


def _take_too_much() -> int:
    bytearray(1 << 40)
    return 0


def _catch() -> int:
    try:
        return _take_too_much()
    except MemoryError as error:
        return _error(f"error: damaged ({type(error).__name__})")


def _write(place: str, text: str = "x") -> int:
    Path(place).write_text(text)
    return 0


PLANTED: dict[str, tuple[Verdict, Callable[[], int]]] = {
    "canary": (Verdict.code_run, lambda: _write("../canary")),
    "write-next-to-the-input": (Verdict.written_outside, lambda: _write("new.txt")),
    "write-into-home": (Verdict.written_outside, lambda: _write("../home/x")),
    "write-elsewhere": (Verdict.written_outside, lambda: _write(f"/tmp/attack-planted-{os.getpid()}")),
    "change-the-input": (Verdict.written_outside, lambda: _write("input.txt")),
    "compute": (Verdict.hang, _compute),
    "wait": (Verdict.hang, _wait),
    "take-memory": (Verdict.memory, _take_memory),
    "take-too-much-memory": (Verdict.memory, _take_too_much),
    "catch-a-memory-error": (Verdict.memory, _catch),
    "bug": (Verdict.traceback, _raise),
    "exit-code-1": (Verdict.traceback, lambda: _error("error: x", 1)),
    "abort": (Verdict.traceback, os.abort),
    "long-line": (Verdict.endless_message, lambda: _error("error: " + "x" * 1300)),
    "many-lines": (Verdict.endless_message, lambda: _error("error: x\n" * 10_000)),
    "unfinished": (Verdict.half_written, lambda: _leave(".train.unfinished-0123456789abcdef/x")),
    "no-error-line": (Verdict.unexplained, lambda: _error("no")),
    "accepted": (Verdict.accepted, lambda: 0),
    "refused": (Verdict.refused, lambda: _error("error: no such file")),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(tmp_path: Path, name: str) -> None:
    expected, main = PLANTED[name]
    place = Place(tmp_path / "case")
    found = judged(place, main)
    for left in Path("/tmp").glob("attack-planted-*"):
        left.unlink()
    assert found.verdict is expected, found


def test_each_fault_is_planted() -> None:
    assert {verdict for verdict, _ in PLANTED.values()} == set(Verdict)


def test_what_a_child_has_started_ends_with_it(tmp_path: Path) -> None:
    place = Place(tmp_path / "case")
    place.make()

    def leave_one_behind() -> int:
        if os.fork() == 0:
            time.sleep(60)
        print(os.getsid(0))
        return 0

    ended = forked(IMPATIENT, place, TIGHT, leave_one_behind)
    session = ended.stdout.strip()
    time.sleep(0.2)
    stats = [path.read_bytes().rpartition(b") ")[2].split() for path in Path("/proc").glob("[0-9]*/stat")]
    assert not [fields for fields in stats if fields[3].decode() == session and fields[0] != b"Z"]


def test_a_shell_hands_on_the_exit_code_of_the_command(tmp_path: Path) -> None:
    """In a pipe the shell's own exit code is that of ``head``."""
    place = Place(tmp_path / "case")
    place.make()
    case = Case(("--nope",), shell='{ false "$@"; echo $? > ../status; } | head -c 1')
    assert fresh(case, place, Limits()).code == 1


def test_an_accepted_case_needs_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    job, ended = Job("labels", 0, 0), Ended(0, "", "", 0, "", 0, (), 0.1)
    monkeypatch.delitem(REASONS, f"labels/{job.variant}", raising=False)
    assert Attempt(job, Case(()), ended, Found(Verdict.accepted)).unargued
    assert not Attempt(job, Case(()), ended, Found(Verdict.refused)).unargued
    monkeypatch.setitem(REASONS, f"labels/{job.variant}", "a reason")
    assert not Attempt(job, Case(()), ended, Found(Verdict.accepted)).unargued


def test_reasons_are_of_variants_that_exist() -> None:
    known = {f"{name}/{variant}" for name, kind in KINDS.items() for variant in kind.variants}
    assert set(REASONS) <= known
    assert all(len(reason) > 20 for reason in REASONS.values())


def test_the_whole_suite_has_two_thousand_cases() -> None:
    assert sum(kind.cases for kind in KINDS.values()) >= 2000
    assert all(kind.cases >= 2 * len(kind.variants) for kind in KINDS.values())


def test_a_case_is_the_same_each_time(tmp_path: Path) -> None:
    """The numbers that a case draws follow from its kind, seed and number alone."""
    first, again = Job("yaml", 3, 5).chance, Job("yaml", 3, 5).chance
    assert [first.random() for _ in range(5)] == [again.random() for _ in range(5)]
    assert Job("yaml", 3, 5).chance.random() != Job("yaml", 4, 5).chance.random()
