"""ONNX Runtime: one package, with a CPU provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.ort.checks import onnxruntime
from backends.system.host import Host
from core.kinds.check import State
from tests.support.machine_tools import Machine, import_from, only

MODULE = "__version__ = '1.32.0'\ndef get_available_providers(): return {!r}"


@pytest.fixture
def machine(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    import_from(machine, monkeypatch)
    return machine


def test_absent_and_twice(machine: Machine) -> None:
    assert only(onnxruntime(machine.here())).state is State.absent
    machine.install("onnxruntime", "1.32.0")
    machine.install("onnxruntime-gpu", "1.31.0")
    finding = only(onnxruntime(machine.here()))
    assert finding.state is State.error
    assert finding.remedy == "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime"


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (MODULE.format(["CPUExecutionProvider"]), State.ok),
        (MODULE.format(["CUDAExecutionProvider"]), State.error),
        ("raise ImportError('libc')", State.error),
    ],
)
def test_providers(machine: Machine, code: str, state: State) -> None:
    machine.install("onnxruntime", "1.32.0")
    machine.module("onnxruntime", code)
    assert only(onnxruntime(machine.here())).state is state


def test_the_real_one(tmp_path: Path) -> None:
    finding = only(onnxruntime(Host()))
    assert finding.state is State.ok
    assert "CPU" in finding.facts["providers"].split(", ")
