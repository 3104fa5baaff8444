"""Run Python code in a subprocess: what a check examines can crash or hang, or must not enter this process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

LIMIT = 60.0
"""Seconds for a subprocess. The first import from a network disk takes long."""
RETRY = "run it again: the first import from a network disk takes long; if it hangs again, see dmesg for I/O errors"
_TIMEOUT = "no answer within"


def run_probe(code: str, *arguments: str) -> tuple[Any, str]:
    """Run Python code with the search path of this process.

    Args:
        code: Prints JSON on its last line.
        arguments: ``sys.argv[1:]``.

    Returns:
        The JSON value and an empty text, or None and the error in one line.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, *arguments]
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"it hangs or is slow: {_TIMEOUT} {LIMIT:g} s"
    if done.returncode < 0:
        return None, f"it crashed with {signal.Signals(-done.returncode).name}"
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return None, lines[-1] if lines else f"exit code {done.returncode}"
    return json.loads(done.stdout.decode(errors="replace").splitlines()[-1]), ""


def remedy_for(error: str, otherwise: str) -> str:
    """Return the remedy for an error: ``otherwise``, or to run it again where the subprocess was only too slow."""
    return RETRY if _TIMEOUT in error else otherwise
