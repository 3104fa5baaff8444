"""Every way in which a driver is missing, half there or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.nvidia.driver import device_files, driver, driver_problem
from backends.nvidia.facts import driver_facts, module_version
from core.checks import Finding, State
from tests.machine_tools import MODULE, Machine, asked, library, only


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def look(machine: Machine) -> Finding:
    return only(driver(asked(machine.root), machine.here()))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (MODULE, "580.95.05"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024", "535.183.01"),
        ("", ""),
    ],
)
def test_version_of_the_kernel_module(machine: Machine, text: str, version: str) -> None:
    machine.write("/proc/driver/nvidia/version", text)
    assert module_version(machine.here()) == version


def test_nothing_of_nvidia(machine: Machine) -> None:
    finding = look(machine)
    assert finding.state is State.absent
    assert "no NVIDIA GPU" in finding.found


def test_nothing_in_a_container_points_at_the_way_to_start_it(machine: Machine) -> None:
    machine.write("/.dockerenv")
    assert "--gpus all" in look(machine).remedy


@pytest.mark.parametrize(
    ("places", "found", "remedy"),
    [
        ((), "and no driver", "install NVIDIA's driver"),
        (("/sys/module/nouveau/version",), "nouveau", "install NVIDIA's driver"),
        (("/run/.containerenv",), "host of this container", "on the host"),
    ],
)
def test_gpu_without_a_driver(machine: Machine, places: tuple[str, ...], found: str, remedy: str) -> None:
    machine.on_pci()
    for place in places:
        machine.write(place)
    finding = look(machine)
    assert finding.state is State.error
    assert found in finding.found
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    ("place", "remedy"), [("/.dockerenv", "--gpus all"), ("/etc/nothing", "libnvidia-compute-580")]
)
def test_module_without_its_library(machine: Machine, place: str, remedy: str) -> None:
    machine.gpus()
    machine.write(place)
    finding = look(machine)
    assert finding.state is State.error
    assert "libcuda.so.1" in finding.found
    assert remedy in finding.remedy


@pytest.mark.parametrize(("place", "remedy"), [("/.dockerenv", "on the host"), ("/etc/nothing", "modprobe nvidia")])
def test_library_without_its_module(machine: Machine, place: str, remedy: str) -> None:
    machine.write("/usr/lib64/libcuda.so.580.95.05")
    machine.write(place)
    finding = look(machine)
    assert finding.state is State.error
    assert "no kernel module" in finding.found
    assert remedy in finding.remedy


def test_module_and_library_of_different_drivers(machine: Machine) -> None:
    machine.gpus()
    machine.write("/usr/lib64/libcuda.so.570.10.01")
    finding = look(machine)
    assert finding.state is State.error
    assert "580.95.05" in finding.found
    assert "570.10.01" in finding.found
    assert "restart" in finding.remedy


def test_driver_that_works(machine: Machine) -> None:
    machine.gpus(2)
    path = machine.driver_library()
    finding = look(machine)
    assert finding.state is State.ok
    assert finding.facts == {"version": "580.95.05", "cuda": "13.0", "library": str(path)}
    assert "2 GPUs" in finding.found


def test_forward_compatibility_is_no_mismatch(machine: Machine) -> None:
    machine.gpus()
    machine.driver_library(13020, "590.10.01", "/usr/local/cuda/compat")
    finding = look(machine)
    assert finding.state is State.ok
    assert "forward compatibility" in finding.found


def test_library_that_cannot_be_loaded(machine: Machine) -> None:
    machine.gpus()
    machine.write("/usr/lib64/libcuda.so.580.95.05", "not a library")
    finding = look(machine)
    assert finding.state is State.error
    assert "cannot be asked" in finding.found


def test_stub_library_that_only_says_an_error(machine: Machine) -> None:
    machine.gpus()
    library(machine.root / "usr/lib64/libcuda.so.1", "int cuDriverGetVersion(int *v) { return 34; }")
    assert "CUDA error 34" in look(machine).found


def test_library_that_crashes_is_a_finding(machine: Machine) -> None:
    machine.gpus()
    library(
        machine.root / "usr/lib64/libcuda.so.1", "int cuDriverGetVersion(int *v) { *(volatile int *)0 = 1; return 0; }"
    )
    finding = look(machine)
    assert finding.state is State.error
    assert "SIGSEGV" in finding.found


def test_stubs_of_a_toolkit_are_no_driver(machine: Machine) -> None:
    machine.write("/usr/local/cuda/lib64/stubs/libcuda.so")
    machine.environment["LD_LIBRARY_PATH"] = str(machine.root / "usr/local/cuda/lib64/stubs")
    assert look(machine).state is State.absent


def test_wsl_has_no_module_of_its_own(machine: Machine) -> None:
    machine.write("/proc/version", "Linux version 6.6.87.2-microsoft-standard-WSL2")
    said = "int cuDriverGetVersion(int *v) { *v = 12080; return 0; }"
    library(machine.root / "usr/lib/wsl/lib/libcuda.so.1", said)
    assert look(machine).state is State.ok
    missing = only(device_files(asked(machine.root), machine.here()))
    assert "wsl --update" in missing.remedy
    machine.write("/dev/dxg")
    assert only(device_files(asked(machine.root), machine.here())).state is State.ok


def test_jetson(machine: Machine) -> None:
    machine.write("/etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic")
    machine.write("/proc/device-tree/model", "NVIDIA Jetson Orin NX\0")
    assert driver_facts(machine.here()).jetson == "NVIDIA Jetson Orin NX, Jetson Linux 36.4.3"
    assert "nvidia-jetpack" in look(machine).remedy
    machine.write("/proc/driver/nvidia/version", MODULE)
    machine.driver_library(12060, "580.95.05", "/usr/lib/aarch64-linux-gnu/nvidia")
    finding = look(machine)
    assert finding.state is State.ok
    assert "Jetson" in finding.found


def test_device_files(machine: Machine) -> None:
    def look() -> Finding:
        return only(device_files(asked(machine.root), machine.here()))

    assert list(device_files(asked(machine.root), machine.here())) == []
    machine.gpus()
    assert look().state is State.ok
    (machine.root / "dev/nvidia-uvm").unlink()
    assert "nvidia-modprobe" in look().remedy
    assert "/dev/nvidia-uvm" in look().found
    machine.write("/.dockerenv")
    assert "restart the container" in look().remedy


def test_device_files_that_are_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.gpus()
    monkeypatch.setattr("backends.nvidia.driver.os.access", lambda path, mode: "nvidia0" not in str(path))
    finding = only(device_files(asked(machine.root), machine.here()))
    assert finding.state is State.error
    assert "/dev/nvidia0" in finding.found
    assert "usermod" in finding.remedy


def test_the_short_look_for_probes(machine: Machine) -> None:
    missing = driver_problem(machine.here())
    assert missing is not None
    assert missing == look(machine)
    machine.gpus()
    machine.write("/usr/lib64/libcuda.so.580.95.05", "not asked")
    assert driver_problem(machine.here()) is None
