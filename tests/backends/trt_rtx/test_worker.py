"""The worker: what it writes, and that it stops when nobody reads its messages."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backends.trt.settings import SizeProfile
from backends.trt_rtx.process import REFUSED, Job, run_worker
from core.errors import HooklineError
from core.model_facts import Precision
from core.storage.serial import encode
from tests.backends.trt_rtx.rtx_tools import tiny

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed (Linux on x86-64 only)")


def job(folder, **changes):
    model = tiny(folder, Precision.fp32, dynamic="profile" in changes)
    return encode(replace(Job(model.path, folder / "x.engine"), **changes))


def profile(*shapes):
    return SizeProfile("images", *((batch, 3, size, size) for batch, size in shapes))


def test_phases_are_reported_while_it_builds(tmp_path):
    heard = []
    run_worker(job(tmp_path), "'x'", heard.append)
    assert heard[0] == {"phase": "Building engine"}
    assert (tmp_path / "x.engine").stat().st_size > 100_000


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            profile((2, 64), (1, 64), (4, 64)),
            "refuses the shapes 2x3x64x64 1x3x64x64 4x3x64x64: .*min <= opt <= max",
        ),
        (profile((1, 64), (2, 64), (1, 64)), "refuses the shapes"),
        (None, "cannot build .* no optimization profile has been defined; "),
    ],
)
def test_sizes_that_do_not_go(tmp_path, sizes, message):
    with pytest.raises(HooklineError, match=message):
        run_worker(job(tmp_path, profile=sizes), "'x'", lambda heard: None)
    assert not (tmp_path / "x.engine").exists()


def test_full_disk(tmp_path):
    with pytest.raises(HooklineError, match=r"engine of \d+ MB cannot be written to '/dev/full' \(No space left"):
        run_worker(job(tmp_path, target=Path("/dev/full")), "'x'", lambda heard: None)


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
