"""Variables that hide GPUs or slow CUDA down."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.nvidia.variables import module_loading, visible_devices
from core.kinds.check import Finding, State
from tests.backends.nvidia.fake_nvml import DIVIDED, PLAIN, Card, install_nvml
from tests.support.machine_tools import UUIDS, Machine, asked, only, states


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Two GPUs."""
    machine = Machine(tmp_path)
    machine.gpus(2)
    machine.write("/usr/lib64/libcuda.so.580.95.05")
    install_nvml(machine, Card(), PLAIN)
    return machine


def look(machine: Machine, value: str | None, **words: str) -> Finding:
    if value is not None:
        machine.environment["CUDA_VISIBLE_DEVICES"] = value
    return only(visible_devices(asked(machine.root, **words), machine.here()))


@pytest.mark.parametrize(
    ("value", "state", "said"),
    [
        (None, State.ok, "all"),
        ("0", State.ok, "0"),
        ("1,0", State.ok, "1,0: cuda:0 (NVIDIA L40), cuda:1 (NVIDIA L4)"),
        ("0,-1,1", State.ok, "0,-1,1: cuda:0 (NVIDIA L4)"),
        (UUIDS[1], State.ok, "GPU-2222"),
        ("GPU-2222", State.ok, "GPU-2222"),
        ("MIG-typo", State.error, "'MIG-typo' is none of the 2 GPUs"),
        ("", State.error, "hides every GPU"),
        ("-1", State.error, "hides every GPU"),
        ("2", State.error, "none of the 2 GPUs"),
        ("0,7", State.error, "'7'"),
        ("GPU-9999", State.error, "GPU-9999"),
        ("0,0", State.error, "twice"),
        ("0,GPU-1", State.error, "twice"),
        ("gpu-1111", State.ok, "gpu-1111"),
        ("GPU-", State.error, "'GPU-'"),
    ],
)
def test_cuda_visible_devices(machine: Machine, value: str | None, state: State, said: str) -> None:
    finding = look(machine, value)
    assert finding.state is state
    assert said in finding.found


@pytest.mark.parametrize(
    ("value", "state"),
    [("MIG-5a1c", State.ok), (UUIDS[0], State.ok), ("MIG-typo", State.error), ("MIG-5a1", State.error)],
)
def test_instances(machine: Machine, value: str, state: State) -> None:
    install_nvml(machine, DIVIDED, PLAIN)
    assert look(machine, value).state is state


def test_gpus_that_only_the_host_has_do_not_count(machine: Machine) -> None:
    install_nvml(machine, Card())
    assert look(machine, None, device="cuda:1").state is State.error


def test_where_nvml_says_nothing_there_is_nothing_to_compare(machine: Machine) -> None:
    install_nvml(machine, init=999)
    machine.environment["CUDA_VISIBLE_DEVICES"] = "7"
    assert list(visible_devices(asked(machine.root), machine.here())) == []
    assert "hides every GPU" in look(machine, "").found


def test_device_beyond_the_visible_ones(machine: Machine) -> None:
    assert look(machine, None, device="cuda:1").state is State.ok
    finding = look(machine, "1", device="cuda:1")
    assert (finding.state, finding.subject) == (State.error, "device")
    assert "cuda:1" in finding.found
    assert finding.remedy == "device=auto, cuda:0 (NVIDIA L40)"


def test_variables_of_containers(machine: Machine) -> None:
    machine.environment |= {"NVIDIA_VISIBLE_DEVICES": "void", "NVIDIA_DRIVER_CAPABILITIES": "utility,video"}
    found = list(visible_devices(asked(machine.root), machine.here()))
    assert [item.state for item in found] == [State.error, State.ok]
    assert "compute" in found[0].remedy


@pytest.mark.parametrize("value", ["void", "none"])
def test_void_is_normal_where_gpus_came_by_another_way(machine: Machine, value: str) -> None:
    machine.environment["NVIDIA_VISIBLE_DEVICES"] = value
    assert [item.state for item in visible_devices(asked(machine.root), machine.here())] == [State.ok]
    (machine.root / "dev/nvidiactl").unlink()
    found = list(visible_devices(asked(machine.root), machine.here()))
    assert found[0].state is State.error
    assert f"={value} keeps" in found[0].found


@pytest.mark.parametrize(("value", "state"), [("LAZY", State.ok), ("lazy", State.ok), ("EAGER", State.warning)])
def test_lazy_loading(machine: Machine, value: str, state: State) -> None:
    machine.environment["CUDA_MODULE_LOADING"] = value
    assert only(module_loading(machine.here())).state is state


def test_switches_for_debugging(machine: Machine) -> None:
    machine.environment |= {"CUDA_MODULE_LOADING": "LAZY", "CUDA_LAUNCH_BLOCKING": "1", "CUDA_FORCE_PTX_JIT": "0"}
    assert states(module_loading(machine.here())) == {
        "lazy loading": State.ok,
        "CUDA_LAUNCH_BLOCKING": State.warning,
    }


def test_without_a_driver_there_is_nothing_to_say(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.environment["CUDA_VISIBLE_DEVICES"] = ""
    assert list(visible_devices(asked(tmp_path), machine.here())) == []
    assert list(module_loading(machine.here())) == []
