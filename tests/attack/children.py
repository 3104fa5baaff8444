"""Runs a command in a child process with limits: a fork of this process, or a fresh one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.attack.case import DIRECT, Case
from tests.attack.limits import Limits, address_space, resident, session_seconds
from tests.attack.place import Place

SHELL = "/bin/sh"
_LOOK_SECONDS = 0.5
IMPORTS = 2 << 30
"""Bytes of address space that the imports of a fresh process may take."""


@dataclass(frozen=True)
class Ended:
    """What a command did.

    Attributes:
        code: Exit code; minus the signal that ended it.
        stdout, stderr: What it printed, the first bytes of it.
        printed: How many bytes that is in all.
        hang: Why it was stopped; empty where it ended by itself.
        memory: Most bytes of memory beyond those of a process that has imported everything.
        writes: What Python code of a fork created or changed outside the allowed folders.
        seconds: By the clock.
    """

    code: int
    stdout: str
    stderr: str
    printed: int
    hang: str
    memory: int
    writes: tuple[str, ...]
    seconds: float


def program() -> int:
    """The command."""
    from core.run import main

    return main()


def forked(case: Case, place: Place, limits: Limits, main: Callable[[], int] = program) -> Ended:
    """Run the command of a case in a fork of this process, which must have imported the heavy modules."""
    space, before = address_space(), resident()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            _become(case, place)
            limits.apply(space)
            code = _carry_out(main, place)
        except BaseException:
            traceback.print_exc()
            code = 70
        finally:
            os._exit(code)
    return _ended(child, case, place, limits, before)


def fresh(case: Case, place: Place, limits: Limits) -> Ended:
    """Run ``python -m core.run`` of a case in a separate process, started by a shell if the case names one."""
    command = [sys.executable, "-m", "core.run", *case.arguments]
    if case.shell != DIRECT:
        command = [SHELL, "-c", case.shell, SHELL, *command]
    with (place.root / "stdout").open("wb") as out, (place.root / "stderr").open("wb") as err:
        child = subprocess.Popen(
            command,
            cwd=place.cwd,
            env=_environment(case, place),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            preexec_fn=lambda: limits.apply(IMPORTS),  # noqa: PLW1509  a worker has one thread
        )
    ended = _ended(child.pid, case, place, limits, IMPORTS >> 2)
    child.returncode = 0  # it has been waited for
    return ended


def _environment(case: Case, place: Place) -> dict[str, str]:
    wanted = {**place.environment(), **case.environment}
    return {name: value for name, value in wanted.items() if value is not None}


def _become(case: Case, place: Place) -> None:
    """Make this process look like one that a shell has started."""
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(place.root / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, descriptor)
        os.close(file)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.closerange(3, 1024)
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  until the end
    sys.stderr = sys.__stderr__ = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    tempfile.tempdir = None  # it is remembered
    os.environ.clear()
    os.environ.update(_environment(case, place))
    os.chdir(place.cwd)
    sys.argv = ["core.run", *case.arguments]


def _carry_out(main: Callable[[], int], place: Place) -> int:
    """Return the exit code, as the interpreter would make it."""
    from tests.support.write_audit import writes_outside

    with writes_outside(*place.allowed) as written:
        try:
            code = main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
    if written:
        (place.root / "writes").write_text("\n".join(written), errors="backslashreplace")
    return code


def _ended(child: int, case: Case, place: Place, limits: Limits, before: int) -> Ended:
    start = time.monotonic()
    hang, status, peak = _wait(child, case, place, limits)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it has started and left behind
    named = place.root / "status"
    code = int(named.read_text() or "1") if named.exists() else os.waitstatus_to_exitcode(status)
    texts = [_text(place.root / name, limits) for name in ("stdout", "stderr")]
    printed = sum((place.root / name).stat().st_size for name in ("stdout", "stderr"))
    listed = place.root / "writes"
    writes = tuple(listed.read_text().splitlines()) if listed.exists() else ()
    seconds = time.monotonic() - start
    return Ended(code, texts[0], texts[1], printed, hang, max(0, peak - before), writes, seconds)


def _wait(child: int, case: Case, place: Place, limits: Limits) -> tuple[str, int, int]:
    """Wait for the end, or end it: why, its status, and its most bytes of memory."""
    start = looked = computed = time.monotonic()
    last, hang = 0.0, ""
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return hang, status, usage.ru_maxrss << 10
        now = time.monotonic()
        if not hang and now - looked > _LOOK_SECONDS:
            looked, taken = now, session_seconds(child)
            if taken > last + 0.02:
                last, computed = taken, now
            hang = _hangs(case, place, limits, wall=now - start, taken=taken, idle=now - computed)
            if hang:
                os.killpg(child, signal.SIGKILL)
        time.sleep(0.01)


def _hangs(case: Case, place: Place, limits: Limits, *, wall: float, taken: float, idle: float) -> str:
    if taken > limits.seconds:
        return f"it computed for {taken:.0f} s"
    if wall > limits.wall:
        return f"it took {wall:.0f} s"
    if idle > case.patience:
        return f"it waited for {idle:.0f} s"
    if sum((place.root / name).stat().st_size for name in ("stdout", "stderr")) > 16 << 20:
        return "it printed 16 MiB"
    return ""


def _text(path: Path, limits: Limits) -> str:
    with path.open("rb") as file:
        return file.read(2 * limits.output).decode(errors="backslashreplace")
