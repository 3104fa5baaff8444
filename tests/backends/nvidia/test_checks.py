"""GPUs and variables: every error of NVML has its remedy. Real ``pynvml`` over a library compiled for the test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backends.nvidia.checks import gpus, module_loading, visible_devices
from core.kinds.check import Finding, State
from tests.backends.nvidia.fake_nvml import DIVIDED, NO_PERMISSION, NOT_SUPPORTED, PLAIN, Card, install_nvml
from tests.support.machine_tools import UUIDS, Machine, library, only, states


@pytest.fixture
def machine(machine: Machine) -> Machine:
    machine.gpus()
    return machine


def look(machine: Machine) -> list[Finding]:
    return list(gpus(machine.here()))


def test_without_a_driver_nvml_is_not_queried(tmp_path: Path) -> None:
    assert look(Machine(tmp_path)) == []


def test_two_gpus(machine: Machine) -> None:
    install_nvml(machine, Card("GPU-1111"), PLAIN)
    found = look(machine)
    assert states(found) == {"NVML": State.ok, "GPU 0": State.ok, "GPU 1": State.ok}
    assert found[1].found == "NVIDIA L4, compute capability 8.9, 19.5 GiB of 24.0 GiB free, GPU-1111"
    assert found[2].facts["uuid"] == UUIDS[1]


@pytest.mark.parametrize(
    ("code", "container", "said"),
    [
        (999, True, "lost its devices"),
        (999, False, "nvidia-modprobe"),
        (18, False, "restart the machine"),
        (18, True, "restart the container"),
        (9, True, "--gpus all"),
        (9, False, "modprobe nvidia"),
        (4, False, "usermod"),
        (15, False, "Xid"),
        (10, False, "nvidia-smi -pm 1"),
        (77, False, "nvidia-smi"),
    ],
)
def test_errors_of_nvml(machine: Machine, code: int, container: bool, said: str) -> None:
    if container:
        machine.write("/.dockerenv")
    install_nvml(machine, init=code)
    finding = only(look(machine))
    assert finding.state is State.error
    assert finding.found.startswith("Failed to initialize NVML: ")
    assert finding.facts == {"code": str(code)}
    assert said in finding.remedy


def test_the_words_that_people_search_for(machine: Machine) -> None:
    install_nvml(machine, init=999)
    assert "Failed to initialize NVML: Unknown Error" in only(look(machine)).found


@pytest.mark.parametrize(("container", "said"), [(True, "utility"), (False, "reinstall")])
def test_no_library(machine: Machine, container: bool, said: str) -> None:
    if container:
        machine.write("/.dockerenv")
    finding = only(look(machine))
    assert finding.state is State.error
    assert said in finding.remedy


def test_a_jetson_works_without(machine: Machine) -> None:
    machine.write("/proc/device-tree/model", "NVIDIA Jetson Nano")
    machine.driver_library()
    assert only(look(machine)).state is State.warning
    install_nvml(machine, init=3)
    finding = only(look(machine))
    assert finding.state is State.warning
    assert "JetPack" in finding.remedy


def test_wsl_works_without(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.write("/proc/version", "Linux version 6.6.87.2-microsoft-standard-WSL2")
    library(machine.root / "usr/lib/wsl/lib/libcuda.so.1")
    install_nvml(machine, init=17)
    finding = only(look(machine))
    assert finding.state is State.warning
    assert "wsl --update" in finding.remedy


@pytest.mark.parametrize("cards", [(), (Card(handle=NO_PERMISSION),)])
def test_no_gpu(machine: Machine, cards: tuple[Card, ...]) -> None:
    install_nvml(machine, *cards)
    finding = only(look(machine))
    assert finding.state is State.error
    assert "this process may use" in finding.found


@pytest.mark.parametrize(
    ("card", "state", "said"),
    [
        (Card(handle=15), State.error, "GPU is lost"),
        (Card(capability="6.1"), State.error, "6.1"),
        (Card(capability="7.5"), State.ok, "7.5"),
        (Card(mig=()), State.error, "no instance"),
        (Card(free=300), State.warning, "300 MiB"),
        (Card(memory=NOT_SUPPORTED), State.ok, "capability 8.9, memory unknown, GPU-1111"),
        (Card(memory=NO_PERMISSION), State.ok, "capability 8.9, memory unknown, GPU-1111"),
        (Card(memory=15), State.error, "GPU is lost"),
        (Card(facts=NOT_SUPPORTED), State.ok, "compute capability unknown, 19.5 GiB"),
    ],
)
def test_problems_of_gpus(machine: Machine, card: Card, state: State, said: str) -> None:
    install_nvml(machine, card)
    found = {finding.subject: finding for finding in look(machine)}
    states(found.values())
    assert found["GPU 0"].state is state
    assert said in found["GPU 0"].found


def test_instances_have_their_own_memory_and_profile(machine: Machine) -> None:
    install_nvml(machine, replace(DIVIDED, memory=NO_PERMISSION))
    assert [(item.state, item.subject, item.found) for item in look(machine)[1:]] == [
        (State.ok, "GPU 0", "NVIDIA A100 MIG 1g.5gb, compute capability 8.0, 4.7 GiB of 4.8 GiB free, MIG-5a1b"),
        (State.ok, "GPU 0", "NVIDIA A100 MIG 3g.20gb, compute capability 8.0, 18.6 GiB of 19.5 GiB free, MIG-5a1c"),
    ]


def test_one_gpu_that_works_is_enough(machine: Machine) -> None:
    install_nvml(machine, Card(capability="6.1"), PLAIN)
    assert states(look(machine)) == {"NVML": State.ok, "GPU 0": State.warning, "GPU 1": State.ok}
    install_nvml(machine, Card(handle=NO_PERMISSION), PLAIN)
    assert states(look(machine)) == {"NVML": State.ok, "GPU 0": State.ok}


@pytest.fixture
def two(machine: Machine) -> Machine:
    """Two GPUs."""
    install_nvml(machine, Card(), PLAIN)
    return machine


def look_at_variable(machine: Machine, value: str | None) -> Finding:
    if value is not None:
        machine.environment["CUDA_VISIBLE_DEVICES"] = value
    return only(visible_devices(machine.here()))


@pytest.mark.parametrize(
    ("value", "state", "said"),
    [
        (None, State.ok, "all"),
        ("0", State.ok, "0"),
        ("1,0", State.ok, "1,0: cuda:0 (NVIDIA L40), cuda:1 (NVIDIA L4)"),
        ("0,-1,1", State.ok, "0,-1,1: cuda:0 (NVIDIA L4)"),
        (UUIDS[1], State.ok, "GPU-2222"),
        ("GPU-2222", State.ok, "GPU-2222"),
        ("MIG-typo", State.error, "'MIG-typo' is not one of the 2 GPUs"),
        ("", State.error, "hides every GPU"),
        ("-1", State.error, "hides every GPU"),
        ("2", State.error, "not one of the 2 GPUs"),
        ("0,7", State.error, "'7'"),
        ("GPU-9999", State.error, "GPU-9999"),
        ("0,0", State.error, "twice"),
        ("0,GPU-1", State.error, "twice"),
        ("gpu-1111", State.ok, "gpu-1111"),
        ("GPU-", State.error, "'GPU-'"),
    ],
)
def test_cuda_visible_devices(two: Machine, value: str | None, state: State, said: str) -> None:
    finding = look_at_variable(two, value)
    assert finding.state is state
    assert said in finding.found


@pytest.mark.parametrize(
    ("value", "state"),
    [("MIG-5a1c", State.ok), (UUIDS[0], State.ok), ("MIG-typo", State.error), ("MIG-5a1", State.error)],
)
def test_instances(two: Machine, value: str, state: State) -> None:
    install_nvml(two, DIVIDED, PLAIN)
    assert look_at_variable(two, value).state is state


def test_without_nvml_nothing_is_compared(machine: Machine) -> None:
    install_nvml(machine, init=999)
    machine.environment["CUDA_VISIBLE_DEVICES"] = "7"
    assert list(visible_devices(machine.here())) == []
    assert "hides every GPU" in look_at_variable(machine, "").found


def test_a_container_without_nvidia_uvm(machine: Machine) -> None:
    install_nvml(machine, Card())
    machine.write("/.dockerenv")
    (machine.root / "dev/nvidia-uvm").unlink()
    found = list(gpus(machine.here()))
    assert states(found) == {"NVML": State.ok, "device files": State.warning, "GPU 0": State.ok}
    assert "--gpus all" in found[1].remedy


@pytest.mark.parametrize(
    ("value", "state"), [("LAZY", State.ok), ("lazy", State.ok), ("", State.ok), ("EAGER", State.warning)]
)
def test_lazy_loading(machine: Machine, value: str, state: State) -> None:
    machine.environment["CUDA_MODULE_LOADING"] = value
    assert only(module_loading(machine.here())).state is state


def test_without_a_driver_variables_do_not_matter(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.environment["CUDA_VISIBLE_DEVICES"] = ""
    assert list(visible_devices(machine.here())) == []
    assert list(module_loading(machine.here())) == []
