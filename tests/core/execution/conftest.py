"""The command line with the stages of tests/support/kitchen.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import environment, run_hookline
from tests.support.kitchen import PLUGIN, Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``python -m core.run`` in an empty folder, with the stages of the kitchen."""
    (tmp_path / "kitchen.py").write_text(PLUGIN)

    def call(*arguments: str, start: bool = False) -> subprocess.CompletedProcess[str]:
        if start:
            line = [sys.executable, "-m", "core.run", *arguments]
            settings = environment(tmp_path, [tmp_path], HOOKLINE_PLUGINS="kitchen")
            return subprocess.Popen(line, cwd=tmp_path, env=settings, stderr=subprocess.PIPE, text=True)  # type: ignore[return-value]
        return run_hookline(*arguments, cwd=tmp_path, paths=[tmp_path], HOOKLINE_PLUGINS="kitchen")

    return call
