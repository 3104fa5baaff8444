"""Python and the command line of hookline in child processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.support.packages import ROOT


def environment(cwd: Path, paths: Iterable[Path] = (), **settings: str) -> dict[str, str]:
    """Return the environment of :func:`run_python`, for processes that a test starts and stops itself."""
    path = os.pathsep.join(map(str, (*paths, ROOT)))
    return os.environ | {"PYTHONPATH": path, "HOOKLINE_HOME": str(cwd / "home")} | settings


def run_python(*words: str, cwd: Path, paths: Iterable[Path] = (), **settings: str) -> subprocess.CompletedProcess[str]:
    """Run Python with this checkout, and return its exit code and output.

    Args:
        words: Arguments of Python.
        cwd: Working directory; the cache of hookline is its subfolder ``home`` unless ``settings`` give another.
        paths: Folders to import from before the checkout.
        settings: Environment variables to set.
    """
    line, variables = [sys.executable, *words], environment(cwd, paths, **settings)
    return subprocess.run(line, cwd=cwd, env=variables, capture_output=True, text=True, check=False)


def run_hookline(
    *words: str, cwd: Path, paths: Iterable[Path] = (), **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m core.run`` as :func:`run_python` does."""
    return run_python("-m", "core.run", *words, cwd=cwd, paths=paths, **settings)
