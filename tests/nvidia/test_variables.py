"""Variables that hide GPUs or slow CUDA down."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.nvidia.variables import module_loading, visible_devices
from core.checks import State
from tests.machine_tools import UUIDS, Machine, asked, only, states


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.gpus(2)
    return machine


@pytest.mark.parametrize(
    ("value", "state", "said"),
    [
        (None, State.ok, "all"),
        ("0", State.ok, "0"),
        ("1,0", State.ok, "1,0"),
        (UUIDS[1], State.ok, "GPU-2222"),
        ("GPU-2222", State.ok, "GPU-2222"),
        ("MIG-5a1b", State.ok, "MIG"),
        ("", State.error, "hides every GPU"),
        ("-1", State.error, "hides every GPU"),
        ("2", State.error, "none of the 2 GPUs"),
        ("0,7", State.error, "'7'"),
        ("GPU-9999", State.error, "GPU-9999"),
        ("0,0", State.error, "twice"),
        ("gpu-1111", State.ok, "gpu-1111"),
        ("GPU-", State.error, "'GPU-'"),
    ],
)
def test_cuda_visible_devices(machine: Machine, value: str | None, state: State, said: str) -> None:
    if value is not None:
        machine.environment["CUDA_VISIBLE_DEVICES"] = value
    finding = only(visible_devices(asked(machine.root), machine.here()))
    assert finding.state is state
    assert said in finding.found


def test_device_beyond_the_visible_ones(machine: Machine) -> None:
    assert only(visible_devices(asked(machine.root, device="cuda:1"), machine.here())).state is State.ok
    machine.environment["CUDA_VISIBLE_DEVICES"] = "1"
    finding = only(visible_devices(asked(machine.root, device="cuda:1"), machine.here()))
    assert finding.state is State.error
    assert "cuda:1" in finding.found


def test_variables_of_containers(machine: Machine) -> None:
    machine.environment |= {"NVIDIA_VISIBLE_DEVICES": "void", "NVIDIA_DRIVER_CAPABILITIES": "utility,video"}
    found = list(visible_devices(asked(machine.root), machine.here()))
    assert [item.state for item in found] == [State.error, State.error, State.ok]
    assert "compute" in found[1].remedy


@pytest.mark.parametrize(("value", "state"), [("LAZY", State.ok), ("lazy", State.ok), ("EAGER", State.warning)])
def test_lazy_loading(machine: Machine, value: str, state: State) -> None:
    machine.environment["CUDA_MODULE_LOADING"] = value
    assert only(module_loading(asked(machine.root), machine.here())).state is state


def test_switches_for_debugging(machine: Machine) -> None:
    machine.environment |= {"CUDA_MODULE_LOADING": "LAZY", "CUDA_LAUNCH_BLOCKING": "1", "CUDA_FORCE_PTX_JIT": "0"}
    assert states(module_loading(asked(machine.root), machine.here())) == {
        "lazy loading": State.ok,
        "CUDA_LAUNCH_BLOCKING": State.warning,
    }


def test_without_a_driver_there_is_nothing_to_say(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.environment["CUDA_VISIBLE_DEVICES"] = ""
    assert list(visible_devices(asked(tmp_path), machine.here())) == []
    assert list(module_loading(asked(tmp_path), machine.here())) == []
