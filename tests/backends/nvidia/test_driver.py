"""A driver that is missing, incomplete or refused."""

from __future__ import annotations

import pytest

from backends.nvidia import facts
from backends.nvidia.driver import driver, driver_problem
from backends.nvidia.facts import Driver
from core.kinds.check import Finding, State
from tests.support.machine_tools import MODULE, Machine, library, only


def look(machine: Machine) -> Finding:
    return only(driver(machine.here()))


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
    assert Driver(machine.here()).module == version


def test_nothing_of_nvidia(machine: Machine) -> None:
    finding = look(machine)
    assert finding.state is State.absent
    assert "no NVIDIA GPU" in finding.found


def test_a_container_without_gpus(machine: Machine) -> None:
    machine.write("/.dockerenv")
    assert "--gpus all" in look(machine).remedy


@pytest.mark.parametrize(
    ("places", "found", "remedy"),
    [
        ((), "but no driver", "install NVIDIA's driver"),
        (("/run/.containerenv",), "but no driver", "on the host"),
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


@pytest.mark.parametrize(("place", "remedy"), [("/.dockerenv", "on the host:"), ("/etc/nothing", "modprobe nvidia")])
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


def compat(machine: Machine) -> None:
    """NVIDIA's package cuda-compat, in LD_LIBRARY_PATH."""
    path = machine.driver_library(13020, "590.10.01", "/usr/local/cuda-13.2/compat")
    machine.environment["LD_LIBRARY_PATH"] = str(path.parent)


def test_forward_compatibility_is_no_mismatch(machine: Machine) -> None:
    machine.gpus()
    machine.driver_library()
    compat(machine)
    finding = look(machine)
    assert finding.state is State.ok
    assert finding.facts["cuda"] == "13.2"


def test_forward_compatibility_next_to_the_library_of_the_host(machine: Machine) -> None:
    machine.gpus()
    machine.write("/.dockerenv")
    machine.driver_library(13020, "590.10.01")
    assert look(machine).state is State.error
    machine.write("/usr/lib64/libcuda.so.580.95.05")
    finding = look(machine)
    assert finding.state is State.ok


@pytest.mark.parametrize("in_path", [True, False])
def test_an_image_of_cuda_on_a_host_without_a_gpu(machine: Machine, in_path: bool) -> None:
    machine.write("/.dockerenv")
    compat(machine)
    if not in_path:
        machine.environment.clear()
    finding = look(machine)
    assert finding.state is State.absent
    assert "no driver" in finding.found


@pytest.mark.parametrize("in_path", [True, False])
def test_an_image_of_cuda_that_was_started_without_gpus(machine: Machine, in_path: bool) -> None:
    machine.write("/.dockerenv")
    machine.write("/proc/driver/nvidia/version", MODULE)
    compat(machine)
    if not in_path:
        machine.environment.clear()
    finding = look(machine)
    assert finding.state is State.error
    assert "container has no libcuda.so.1" in finding.found
    assert "--gpus all" in finding.remedy


def test_library_that_cannot_be_loaded(machine: Machine) -> None:
    machine.gpus()
    machine.write("/usr/lib64/libcuda.so.580.95.05", "not a library")
    finding = look(machine)
    assert finding.state is State.error
    assert "does not report its version: OSError" in finding.found


def test_stub_library_that_returns_an_error(machine: Machine) -> None:
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


WSL = "Linux version 6.6.87.2-microsoft-standard-WSL2"


def test_wsl_has_no_kernel_module(machine: Machine) -> None:
    machine.write("/proc/version", WSL)
    said = "int cuDriverGetVersion(int *v) { *v = 12080; return 0; }"
    library(machine.root / "usr/lib/wsl/lib/libcuda.so.1", said)
    finding = look(machine)
    assert finding.state is State.ok
    assert finding.found.startswith("the driver of Windows, supports CUDA up to 12.8, /")


def test_wsl_without_a_driver(machine: Machine) -> None:
    machine.write("/proc/version", WSL)
    finding = look(machine)
    assert finding.state is State.absent
    assert "driver for Windows" in finding.remedy
    assert "docker" not in finding.remedy


def test_a_container_under_wsl_gets_the_advice_of_containers(machine: Machine) -> None:
    machine.write("/proc/version", WSL)
    machine.write("/.dockerenv")
    assert "--gpus all" in look(machine).remedy


def test_a_driver_for_linux_inside_wsl(machine: Machine) -> None:
    machine.write("/proc/version", WSL)
    machine.driver_library()
    machine.write("/usr/lib/wsl/lib/libcuda.so.1")
    finding = look(machine)
    assert finding.state is State.error
    assert "purge" in finding.remedy


@pytest.mark.parametrize(
    ("place", "jetson"),
    [
        ("/usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1.1", "Jetson"),
        ("/dev/nvgpu/igpu0/ctrl", "Jetson"),
        ("/dev/nvhost-gpu", "Jetson"),
        ("/usr/lib/aarch64-linux-gnu/libcuda.so.1.1", ""),
    ],
)
def test_a_jetson_in_a_container_that_hides_the_model(machine: Machine, place: str, jetson: str) -> None:
    machine.write("/.dockerenv")
    machine.write(place)
    assert Driver(machine.here()).jetson == jetson


def test_a_jetson_in_a_container_without_the_driver(machine: Machine) -> None:
    machine.write("/.dockerenv")
    machine.write("/dev/nvhost-gpu")
    assert "--runtime nvidia" in look(machine).remedy


def test_jetson(machine: Machine) -> None:
    machine.write("/etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic")
    machine.write("/proc/device-tree/model", "NVIDIA Jetson Orin NX\0")
    assert Driver(machine.here()).jetson == "NVIDIA Jetson Orin NX"
    assert "nvidia-jetpack" in look(machine).remedy
    library(
        machine.root / "usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1.1",
        "int cuDriverGetVersion(int *v) { *v = 12060; return 0; }",
    )
    assert look(machine).found.startswith("NVIDIA Jetson Orin NX, supports CUDA up to 12.6, /")
    machine.write("/proc/driver/nvidia/version", MODULE)
    machine.driver_library(12060, "580.95.05", "/usr/lib/aarch64-linux-gnu/nvidia")
    finding = look(machine)
    assert finding.state is State.ok
    assert "Jetson" in finding.found


def test_apptainer_has_an_option_of_its_own(machine: Machine) -> None:
    machine.write("/.singularity.d/env")
    assert "--nv" in look(machine).remedy


def test_the_quick_check_of_parts(machine: Machine) -> None:
    missing = driver_problem(machine.here())
    assert missing is not None
    assert missing == look(machine)
    machine.gpus()
    machine.write("/usr/lib64/libcuda.so.580.95.05", "not asked")
    assert driver_problem(machine.here()) is None


@pytest.mark.parametrize(("value", "hides"), [("", True), ("-1", True), ("-1,0", True), (" ", True), ("0,-1", False)])
def test_the_quick_check_reports_that_every_gpu_is_hidden(machine: Machine, value: str, hides: bool) -> None:
    machine.gpus()
    machine.write("/usr/lib64/libcuda.so.580.95.05", "not asked")
    machine.environment["CUDA_VISIBLE_DEVICES"] = value
    problem = driver_problem(machine.here())
    assert (problem is not None and "hides every GPU" in problem.found) is hides


def test_libcuda_in_the_order_of_the_loader(machine: Machine) -> None:
    usual = machine.write("/usr/lib64/libcuda.so.580.95.05")
    given = machine.write("/opt/x/libcuda.so.590.10.01")
    given.with_name("libcuda.so").symlink_to(given)
    machine.environment["LD_LIBRARY_PATH"] = f":{given.parent}"
    assert Driver(machine.here()).libraries == (given, usual)


@pytest.mark.parametrize("flag", ["x86-64", "AArch64"])
def test_the_cache_of_the_loader(machine: Machine, monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    """32-bit libraries are left out."""
    monkeypatch.setattr(facts.platform, "machine", lambda: {"x86-64": "x86_64"}.get(flag, "aarch64"))
    small, compat, usual = (machine.write(f"/{folder}/libcuda.so.1") for folder in ("lib32", "compat", "lib64"))
    lines = [f"libz.so.1 (libc6,{flag}) => {small}", f"libcuda.so.1 (libc6) => {small}"]
    lines += [f"libcuda.so.1 (libc6,{flag}, OS ABI: Linux 4.4.0) => {path}" for path in (compat, usual)]
    script = "\n".join(f"echo '\t{line}'" for line in lines)
    machine.write("/sbin/ldconfig", f"#!/bin/sh\n{script}\n").chmod(0o755)
    assert Driver(machine.here()).libraries == (compat, usual)
