"""Run Python code in a subprocess: what a check examines can crash or hang, or must not enter this process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import Distribution
from typing import Any

from backends.system.host import with_versions
from core.kinds.check import Finding, absent, broken, fine

LIMIT = 60.0
"""Seconds for a subprocess. The first import from a network disk takes long."""
RETRY = "run it again: the first import from a network disk takes long; if it hangs again, see dmesg for I/O errors"
_TIMEOUT = "no answer within"


def run_probe(code: str, *arguments: str) -> tuple[Any, str]:
    """Run Python code, which prints JSON on its last line, with the search path of this process.

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


def examine_package(subject: str, module: str, packages: Sequence[Distribution], install: str) -> Finding:
    """Check that one of the packages that include a module is installed, and import it."""
    values, problem = import_package(subject, module, packages, install, f"[{module}.__file__]")
    if problem:
        return problem
    found = f"{with_versions(packages)} at {values[0]}"
    return fine(subject, found, version=packages[0].version, path=values[0])


def import_package(
    subject: str, module: str, packages: Sequence[Distribution], install: str, expression: str
) -> tuple[Sequence[str], Finding | None]:
    """Import a module and evaluate an expression, a list of strings. Exactly one of its packages must be installed.

    Returns:
        The strings and None, or no string and the problem.
    """
    shown = with_versions(packages)
    if not packages:
        return (), absent(subject, "not installed", install)
    if len(packages) > 1:
        remedy = f"pip uninstall -y {' '.join(package.name for package in packages)} && {install}"
        return (), broken(subject, f"{len(packages)} packages install the same module {module}: {shown}", remedy)
    value, error = run_probe(f"import {module}, json; print(json.dumps({expression}))")
    if not error:
        return value, None
    library = re.search(r"(lib[\w.+-]+\.so[.\d]*): cannot open", error)
    remedy = remedy_for(error, f"pip install --force-reinstall {packages[0].name}")
    if library:
        remedy = f"install the package with {library.group(1)} (libGL.so.1: apt-get install libgl1), or {remedy}"
    return (), broken(subject, f"{shown} cannot be imported: {error}", remedy)
