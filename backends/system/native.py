"""Asks native libraries and Python packages in processes of their own: a broken one can crash or hang."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 60.0
"""Seconds that a process gets. Without persistence mode NVIDIA's driver takes 1 to 3 s to wake each GPU, and a first
import from a network disk takes longer still."""
AGAIN = (
    "run it again: from a cold or a network disk the first time takes long; hangs again: look for I/O errors in dmesg"
)
"""What helps where nothing is known to be wrong but the time that it took."""
_LATE = "no answer within"
_WORKER = Path(__file__).with_name("native_worker.py")


@dataclass(frozen=True)
class Answer:
    """What a native library said.

    Attributes:
        values: The numbers it gave.
        status: What it returned besides, 0 for success.
        error: Why it could not be loaded or asked, one line; empty where it could.
    """

    values: tuple[int, ...] = ()
    status: int = 0
    error: str = ""


def ask(*libraries: str | Path, function: str = "", arguments: int = 0) -> Answer:
    """Load ``libraries`` in this order and call a function of the last one.

    Args:
        libraries: Paths, or names for the loader to find.
        function: Takes pointers to integers, or nothing; empty: only load.
        arguments: How many pointers; 0: the number is what it returns.
    """
    wanted = {"libraries": [str(library) for library in libraries], "function": function, "arguments": arguments}
    output, error = run_python(["-I", "-S", str(_WORKER), json.dumps(wanted)])
    if error:
        return Answer(error=error)
    said = json.loads(output)
    return Answer(tuple(said.get("values", ())), said.get("status", 0), said.get("error", ""))


def ask_python(code: str) -> tuple[Any, str]:
    """What ``code``, which imports what may be broken, prints as JSON; or the error in one line."""
    output, error = run_python(["-c", code])
    return (None, error) if error else (json.loads(output.splitlines()[-1]), "")


def is_late(error: str) -> bool:
    """Whether an error says that the answer came too late: nothing is known to be broken then."""
    return _LATE in error


def remedy_for(error: str, otherwise: str) -> str:
    """What to do about an error: ``otherwise``, but not where the answer only came too late."""
    return AGAIN if is_late(error) else otherwise


def run_python(arguments: Sequence[str]) -> tuple[str, str]:
    """Standard output of a Python process with our search path, and why it failed, empty where it did not."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"it hangs or is slow: {_LATE} {LIMIT:g} s"
    if done.returncode < 0:
        return "", f"it crashed with {signal.Signals(-done.returncode).name}"
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return "", lines[-1] if lines else f"exit code {done.returncode}"
    return done.stdout.decode(errors="replace"), ""
