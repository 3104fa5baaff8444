"""ONNX Runtime sends no reports, and writes nothing into the home folder of the user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("imports", "writes"), [("core.run, onnxruntime", False), ("onnxruntime", True)])
def test_importing_onnx_runtime_leaves_the_home_alone(
    tmp_path: Path, repo_root: Path, imports: str, writes: bool
) -> None:
    """By default it writes a device id. If a release no longer does, remove the variable."""
    variables = {"HOME": str(tmp_path), "PYTHONPATH": str(repo_root), "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", f"import {imports}"], cwd=tmp_path, env=variables, check=True)
    if writes and not any(tmp_path.iterdir()):
        pytest.skip("this release of ONNX Runtime writes nothing")
    assert any(tmp_path.iterdir()) is writes
