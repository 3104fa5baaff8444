"""Installation of the third-party packages in tests/plugins, as by a user."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "plugins"


def install(packages: Sequence[str], folder: Path) -> Path:
    """Install ``packages`` with pip below ``folder``; return the folder for ``PYTHONPATH``."""
    target, sources = folder / "site", folder / "sources"
    for package in packages:  # pip builds inside the source folder
        shutil.copytree(SOURCES / package, sources / package, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    command = [*pip, "--target", str(target), *(str(sources / package) for package in packages)]
    subprocess.run(command, check=True, capture_output=True)
    return target
