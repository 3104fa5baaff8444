"""What hookline asks of CuPy, by the real one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stand_in_cuda.building import TOOLKIT, StandIn
from tests.support.wheels import REPO


def test_devices(stand_in: StandIn) -> None:
    stand_in.pytest("tests/stand_in_cuda/over_cupy.py", devices=3, memory=64, pinned=16, taken="1")


@pytest.mark.skipif(
    any(any(Path(folder).glob("nvidia/*/lib/libnvrtc.so*")) for folder in sys.path), reason="a package has an NVRTC"
)
def test_without_nvrtc(stand_in: StandIn) -> None:
    """As ``pip install cupy-cuda13x`` leaves it, without [ctk]."""
    code = "from cuda_plugins import loading; loading.load('nms', 'nms')"
    environment = stand_in.environment()
    environment["LD_LIBRARY_PATH"] = environment["LD_LIBRARY_PATH"].replace(str(stand_in.folder / TOOLKIT / "lib"), "")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, env=environment, capture_output=True, text=True, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "core.errors.UnavailableError: CuPy cannot compile the kernels of nms.cu: DynamicLibNotFound"
    )
    assert "pip install 'cupy-cuda13x[ctk]'" in last
