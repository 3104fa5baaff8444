"""The worker itself: what it writes, and what it does when nobody listens any more."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from backends.trt_rtx.process import REFUSED, run_worker
from core.artifacts import Precision
from core.errors import HooklineError
from tests.trt_rtx.rtx_tools import tiny

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed (Linux on x86-64 only)")


def job(folder, **changes):
    model = tiny(folder, Precision.fp32, dynamic="profile" in changes)
    given = {"model": str(model.path), "target": str(folder / "x.engine"), "compute_capabilities": []}
    return given | {"input": "images", "profile": None} | changes


def test_phases_are_reported_while_it_builds(tmp_path):
    heard = []
    run_worker(job(tmp_path), "'x'", heard.append)
    assert heard[0] == {"phase": "Building engine"}
    assert (tmp_path / "x.engine").stat().st_size > 100_000


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (
            [[2, 3, 64, 64], [1, 3, 64, 64], [4, 3, 64, 64]],
            r"refuses the sizes \[2, 3, 64, 64\] to .*min <= opt <= max",
        ),
        ([[1, 3, 64, 64], [2, 3, 64, 64], [1, 3, 64, 64]], "refuses the sizes"),
        (None, "cannot build .* no optimization profile has been defined; "),
    ],
)
def test_sizes_that_do_not_go(tmp_path, profile, message):
    with pytest.raises(HooklineError, match=message):
        run_worker(job(tmp_path, profile=profile), "'x'", lambda heard: None)
    assert not (tmp_path / "x.engine").exists()


def test_full_disk(tmp_path):
    with pytest.raises(HooklineError, match=r"engine of \d+ MB cannot be written to '/dev/full' \(No space left"):
        run_worker(job(tmp_path, target="/dev/full"), "'x'", lambda heard: None)


def test_build_stops_when_the_program_is_gone(tmp_path, repo_root):
    process = subprocess.Popen(
        [sys.executable, "-m", "backends.trt_rtx.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=repo_root,
    )
    process.stdin.write(json.dumps(job(tmp_path)).encode())
    process.stdin.close()
    assert b"Building engine" in process.stdout.readline()
    process.stdout.close()
    log = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() not in {0, REFUSED}
    assert "canceled by user" in log
    assert not (tmp_path / "x.engine").exists()
