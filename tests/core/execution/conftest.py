"""The command line with the stages of tests/support/kitchen.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.kitchen import PLUGIN, Run


@pytest.fixture
def run(repo_root: Path, tmp_path: Path) -> Run:
    """Run ``python -m core.run`` in an empty folder, with the stages of the kitchen."""
    (tmp_path / "kitchen.py").write_text(PLUGIN)

    def call(*arguments: str, start: bool = False) -> subprocess.CompletedProcess[str]:
        settings = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(repo_root)]),
            "HOOKLINE_PLUGINS": "kitchen",
            "HOOKLINE_HOME": str(tmp_path / "home"),
        }
        line = [sys.executable, "-m", "core.run", *arguments]
        if start:
            return subprocess.Popen(line, cwd=tmp_path, env=settings, stderr=subprocess.PIPE, text=True)  # type: ignore[return-value]
        return subprocess.run(line, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)

    return call
