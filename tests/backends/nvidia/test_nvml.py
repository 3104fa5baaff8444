"""NVML: every refusal has its remedy; GPUs with what they have, through a library compiled for the test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backends.nvidia.nvml import capabilities, gpus
from backends.system import native
from core.kinds.check import Finding, State
from tests.backends.nvidia.fake_nvml import DIVIDED, NO_PERMISSION, NOT_SUPPORTED, PLAIN, Card, install_nvml
from tests.support.machine_tools import UUIDS, Machine, library, only, states


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.gpus()
    return machine


def look(machine: Machine) -> list[Finding]:
    return list(gpus(machine.here()))


def test_without_a_driver_there_is_nothing_to_ask(tmp_path: Path) -> None:
    assert look(Machine(tmp_path)) == []


def test_two_gpus(machine: Machine) -> None:
    install_nvml(machine, Card("GPU-1111"), PLAIN)
    found = look(machine)
    assert states(found) == {"NVML": State.ok, "GPU 0": State.ok, "GPU 1": State.ok}
    assert found[1].found == "NVIDIA L4, compute capability 8.9, 19.5 GiB of 24.0 GiB free, GPU-1111"
    assert found[2].facts["uuid"] == UUIDS[1]
    assert capabilities(machine.here()) == ["8.9"]


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
        (77, False, "nvidia-smi"),
    ],
)
def test_refusals(machine: Machine, code: int, container: bool, said: str) -> None:
    if container:
        machine.write("/.dockerenv")
    install_nvml(machine, init=code)
    finding = only(look(machine))
    assert finding.state is State.error
    assert finding.found.startswith("Failed to initialize NVML: ")
    assert finding.facts == {"code": str(code)}
    assert said in finding.remedy
    assert capabilities(machine.here()) == []


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


def test_a_jetson_may_go_without(machine: Machine) -> None:
    machine.write("/proc/device-tree/model", "NVIDIA Jetson Nano")
    assert only(look(machine)).state is State.warning
    install_nvml(machine, init=3)
    finding = only(look(machine))
    assert finding.state is State.warning
    assert "JetPack" in finding.remedy


def test_wsl_may_go_without(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.write("/proc/version", "Linux version 6.6.87.2-microsoft-standard-WSL2")
    library(machine.root / "usr/lib/wsl/lib/libcuda.so.1")
    install_nvml(machine, init=17)
    finding = only(look(machine))
    assert finding.state is State.warning
    assert "wsl --update" in finding.remedy


def test_a_slow_answer_has_a_remedy_of_its_own(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "LIMIT", 0.2)
    sleeping = "#include <unistd.h>\nint nvmlInit_v2(void) { sleep(30); return 0; }"
    library(machine.root / "usr/lib64/libnvidia-ml.so.1", sleeping)
    finding = only(look(machine))
    assert "no answer within 0.2 s" in finding.found
    assert "nvidia-persistenced" in finding.remedy


def test_library_that_cannot_be_loaded(machine: Machine) -> None:
    machine.write("/usr/lib64/libnvidia-ml.so.1", "broken")
    assert "cannot be asked" in only(look(machine)).found


def test_no_gpu(machine: Machine) -> None:
    install_nvml(machine)
    assert only(look(machine)).state is State.error


@pytest.mark.parametrize(
    ("card", "state", "said"),
    [
        (Card(handle=15), State.error, "GPU is lost"),
        (Card(handle=NO_PERMISSION), State.absent, "may not use it"),
        (Card(capability="6.1"), State.error, "6.1"),
        (Card(capability="7.5"), State.ok, "7.5"),
        (Card(mig=()), State.error, "no instance"),
        (Card(free=300), State.warning, "300 MiB"),
        (Card(memory=NOT_SUPPORTED), State.ok, "capability 8.9, memory unknown, GPU-1111"),
        (Card(memory=NO_PERMISSION), State.ok, "capability 8.9, memory unknown, GPU-1111"),
        (Card(memory=15), State.error, "GPU is lost"),
        (Card(told=NOT_SUPPORTED), State.ok, "compute capability unknown, 19.5 GiB"),
    ],
)
def test_gpus_and_what_is_wrong_with_them(machine: Machine, card: Card, state: State, said: str) -> None:
    install_nvml(machine, card)
    found = {finding.subject: finding for finding in look(machine)}
    states(found.values())
    assert found["GPU 0"].state is state
    assert said in found["GPU 0"].found


def test_instances_show_their_own_memory_and_profile(machine: Machine) -> None:
    install_nvml(machine, replace(DIVIDED, memory=NO_PERMISSION))
    finding = look(machine)[1]
    assert finding.state is State.ok
    assert finding.found == (
        f"NVIDIA A100, compute capability 8.0, memory unknown, {UUIDS[0]};"
        " MIG: NVIDIA A100 MIG 1g.5gb, 4.7 GiB of 4.8 GiB free, MIG-5a1b;"
        " NVIDIA A100 MIG 3g.20gb, 18.6 GiB of 19.5 GiB free, MIG-5a1c"
    )


def test_one_gpu_that_works_is_enough(machine: Machine) -> None:
    install_nvml(machine, Card(capability="6.1"), PLAIN)
    assert states(look(machine)) == {"NVML": State.ok, "GPU 0": State.warning, "GPU 1": State.ok}
    install_nvml(machine, Card(handle=NO_PERMISSION), PLAIN)
    assert states(look(machine)) == {"NVML": State.ok, "GPU 0": State.ok, "GPU 1": State.ok}


def test_capabilities_that_are_told(machine: Machine) -> None:
    install_nvml(machine, Card(told=NOT_SUPPORTED), PLAIN)
    assert capabilities(machine.here()) == ["8.9"]
