"""Run code in a subprocess, which may crash or hang; read packages from their metadata."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.system import probing
from backends.system.host import Host, with_versions
from backends.system.probing import remedy_for, run_probe
from tests.support.machine_tools import Machine


def test_json_on_the_last_line() -> None:
    assert run_probe("import json; print('noise'); print(json.dumps([1, 2]))") == ([1, 2], "")
    assert run_probe("import json, sys; print(json.dumps(sys.argv[1:]))", "a", "b") == (["a", "b"], "")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise ValueError('no')", "ValueError: no"),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import ctypes; ctypes.string_at(0)", "it crashed with SIGSEGV"),
        ("import os; os.abort()", "it crashed with SIGABRT"),
        ("import ctypes; ctypes.CDLL('libnowhere.so.1')", "cannot open shared object file"),
        ("import ctypes; ctypes.CDLL(None).f", "undefined symbol: f"),
    ],
)
def test_errors(code: str, error: str) -> None:
    value, found = run_probe(code)
    assert value is None
    assert error in found
    assert remedy_for(found, "repair it") == "repair it"


def test_a_hanging_subprocess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "LIMIT", 0.3)
    _, error = run_probe("import time; time.sleep(60)")
    assert "it hangs" in error
    assert remedy_for(error, "repair it") == probing.RETRY


def test_packages_by_normalized_name(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.install("Opencv.Python", "5.0")
    machine.install("tensorrt_cu13", "10.3.0")
    packages = machine.here().packages
    assert {name: package.version for name, package in packages.items()} == {
        "opencv-python": "5.0",
        "tensorrt-cu13": "10.3.0",
    }
    assert with_versions(machine.here().packages_like("opencv.*")) == "Opencv.Python 5.0"
    assert Host().packages["numpy"].version
