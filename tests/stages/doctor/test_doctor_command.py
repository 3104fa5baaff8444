"""``+stage=doctor`` as a user runs it, on whatever machine this is."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import run_hookline

PLUGIN = """
from core.kinds.check import fine, found_at
from core.plugins.hookspecs import hookimpl
from core.kinds.check import Check

def look(target):
    return [fine("MyChip", f"looked at for {target.backend}", firmware="3.1")]

@hookimpl
def hookline_checks():
    yield Check(name="mychip", summary="MyChip: driver and firmware", load=found_at("mychip:look"))
"""


def run(folder: Path, *words: str, **environment: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """The finished process, and report.json where there is one."""
    done = run_hookline("+stage=doctor", "hydra.run.dir=out", *words, cwd=folder, paths=[folder], **environment)
    report = folder / "out" / "doctor" / "report.json"
    return done, json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}


def test_the_default_backend_works_here(tmp_path: Path) -> None:
    start = time.monotonic()
    done, report = run(tmp_path, "backend=onnxruntime", "processor=opencv")
    seconds = time.monotonic() - start
    assert done.returncode == 0, done.stderr
    assert report["counts"]["error"] == 0
    assert [item for item in report["findings"] if item["state"] != "ok" and not item["remedy"]] == []
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["metrics"]["doctor"]["error"] == 0
    assert "✓  ONNX Runtime" in done.stdout
    assert "✓  ONNX Runtime" in (tmp_path / "out" / "doctor" / "report.txt").read_text(encoding="utf-8")
    assert "\x1b[" not in done.stdout + done.stderr
    assert seconds < 20, "it is to take two seconds on an idle machine"


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed")
def test_a_backend_that_cannot_work_ends_with_2_one_line_and_the_report(tmp_path: Path) -> None:
    done, report = run(tmp_path, "backend=tensorrt")
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert errors[0].startswith("error: backend=tensorrt with processor=")
    assert "first: pip install tensorrt" in errors[0]
    assert report["counts"]["error"] >= 1
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["status"], summary["stages"][0]["status"]) == ("failed", "ran")


def test_a_third_party_brings_its_own_check(tmp_path: Path) -> None:
    (tmp_path / "mychip.py").write_text(PLUGIN)
    done, report = run(tmp_path, "backend=onnxruntime", HOOKLINE_PLUGINS="mychip")
    assert done.returncode == 0, done.stderr
    (found,) = [item for item in report["findings"] if item["check"] == "mychip"]
    assert (found["found"], found["facts"]) == ("looked at for onnxruntime", {"firmware": "3.1"})


def test_an_unknown_backend_is_one_line(tmp_path: Path) -> None:
    done, report = run(tmp_path, "backend=tensort")
    assert done.returncode == 2
    assert "did you mean tensorrt" in done.stderr
    assert report == {}
