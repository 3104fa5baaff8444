"""The choice of a GPU, on machines made of files with an NVML compiled for the test."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from backends.nvidia.devices import Gpu, choose, gpus, load_lazily, ordinal, visible
from core.errors import HooklineError, UnavailableError
from tests.machine_tools import UUIDS, Machine, library

NVML = """
#include <string.h>
int nvmlInit_v2(void) { return %(init)d; }
const char *nvmlErrorString(int code) { return "Unknown Error"; }
int nvmlSystemGetDriverVersion(char *text, unsigned n) { strncpy(text, "580.95.05", n); return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **handle) { *handle = (void *)(long)(i + 1); return 0; }
int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *memory) {
  memory[0] = 24ull << 30; memory[1] = handle == (void *)1 ? 1ull << 30 : 20ull << 30; return 0; }
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) { *major = 8; *minor = 9; return 0; }
int nvmlDeviceGetName(void *handle, char *text, unsigned n) {
  strncpy(text, handle == (void *)1 ? "NVIDIA L4" : "NVIDIA L40", n); return 0; }
int nvmlDeviceGetUUID(void *handle, char *text, unsigned n) {
  strncpy(text, (long)handle > 100 ? (long)handle == 101 ? "MIG-5a1b" : "MIG-5a1c"
          : (long)handle == 1 ? "GPU-11111111-aaaa-bbbb-cccc-000000000000"
          : "GPU-22222222-aaaa-bbbb-cccc-000000000000", n); return 0; }
int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
  *current = *pending = %(mig)d && handle == (void *)1; return 0; }
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned i, void **device) {
  *device = (void *)(long)(101 + i); return 0; }
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Two GPUs, the second of them the freer one."""
    machine = Machine(tmp_path)
    machine.gpus(2)
    library(machine.root / "usr/lib64/libcuda.so.580.95.05", "int cuInit(int flags) { return 0; }")
    library(machine.root / "usr/lib64/libnvidia-ml.so.1", NVML % {"init": 0, "mig": 0})
    return machine


def test_the_freest_is_taken(machine: Machine) -> None:
    assert choose("auto", machine.here()) == choose("cuda", machine.here()) == gpus(machine.here())[1]
    assert choose("auto", machine.here()).name == "NVIDIA L40"


def test_facts(machine: Machine) -> None:
    assert gpus(machine.here())[0] == Gpu(UUIDS[0], "NVIDIA L4", "8.9", 24 << 30, 1 << 30, "580.95.05")


@pytest.mark.parametrize(("device", "index"), [("cuda:0", 0), ("cuda:1", 1)])
def test_a_number(machine: Machine, device: str, index: int) -> None:
    assert choose(device, machine.here()).uuid == UUIDS[index]


def test_a_number_that_is_not_there(machine: Machine) -> None:
    with pytest.raises(HooklineError, match=r"no GPU 2 for device=cuda:2; possible: auto, cuda:0 \(NVIDIA L4\), c"):
        choose("cuda:2", machine.here())


def test_the_cpu_is_refused(machine: Machine) -> None:
    with pytest.raises(HooklineError, match="device=cpu was asked for"):
        choose("cpu", machine.here())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1,0", [1, 0]),
        ("0", [0]),
        (UUIDS[1], [1]),
        ("GPU-2", [1]),
        ("gpu-22222222", [1]),
        ("GPU-", []),
        ("0,7,1", [0]),
        ("1,-1,0", [1]),
        ("0,0,1", [0]),
        ("", []),
        ("NoDevFiles", []),
    ],
)
def test_visible_devices(machine: Machine, value: str, expected: list[int]) -> None:
    found = gpus(machine.here())
    assert visible(found, value) == [found[index] for index in expected]


def test_numbers_count_the_visible_ones(machine: Machine) -> None:
    machine.environment["CUDA_VISIBLE_DEVICES"] = "1"
    assert choose("cuda:0", machine.here()).uuid == UUIDS[1]
    machine.environment["CUDA_VISIBLE_DEVICES"] = "0"
    assert choose("auto", machine.here()).uuid == UUIDS[0]


def test_nothing_is_visible(machine: Machine) -> None:
    machine.environment["CUDA_VISIBLE_DEVICES"] = ""
    with pytest.raises(UnavailableError, match=r"CUDA_VISIBLE_DEVICES= leaves none of 2.*stage=doctor"):
        choose("auto", machine.here())


def test_instances_of_a_divided_gpu(machine: Machine) -> None:
    library(machine.root / "usr/lib64/libnvidia-ml.so.1", NVML % {"init": 0, "mig": 1})
    assert [gpu.uuid for gpu in gpus(machine.here())] == ["MIG-5a1b", "MIG-5a1c", UUIDS[1]]
    machine.environment["CUDA_VISIBLE_DEVICES"] = "MIG-5a1c"
    assert choose("auto", machine.here()).uuid == "MIG-5a1c"


def test_a_container_that_lost_its_devices(machine: Machine) -> None:
    library(machine.root / "usr/lib64/libnvidia-ml.so.1", NVML % {"init": 999, "mig": 0})
    with pytest.raises(UnavailableError, match=r"Failed to initialize NVML: Unknown Error.*stage=doctor"):
        choose("auto", machine.here())


def test_no_driver(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"no GPU can be used.*stage=doctor"):
        choose("auto", Machine(tmp_path).here())


def test_a_jetson_without_nvml(machine: Machine) -> None:
    (machine.root / "usr/lib64/libnvidia-ml.so.1").unlink()
    machine.write("/proc/device-tree/model", "NVIDIA Jetson Orin Nano")
    machine.write("/etc/nv_tegra_release", "# R36 (release)")
    (gpu,) = gpus(machine.here())
    assert "Orin" in gpu.name
    assert ordinal(gpu, cuda(UUIDS[0])) == 0


def as_cupy_tells(uuid: str) -> bytes:
    """CuPy takes the bytes for a C string: what follows in memory comes along, up to the first zero."""
    return (bytes.fromhex(uuid.partition("-")[2].replace("-", "")) + b"luid").partition(b"\0")[0]


def cuda(*uuids: str) -> SimpleNamespace:
    """The CUDA runtime with these GPUs in this order."""
    known = [{"uuid": as_cupy_tells(uuid)} for uuid in uuids]
    return SimpleNamespace(getDeviceCount=lambda: len(known), getDeviceProperties=known.__getitem__)


def numbered(uuid: str) -> Gpu:
    return Gpu(uuid, "NVIDIA L4", "8.9", 24 << 30, 1 << 30, "580.95.05")


@pytest.mark.parametrize(
    "uuid",
    [
        "GPU-22222222-aaaa-bbbb-cccc-123456789abc",
        "GPU-22222222-aaaa-bbbb-cccc-123400789abc",
        "GPU-22222222-aaaa-bbbb-cccc-123456789a00",
        "GPU-00222222-aaaa-bbbb-cccc-123456789abc",
        "GPU-2222220a-0aaa-bbbb-cccc-123456789abc",
    ],
)
def test_cuda_counts_in_an_order_of_its_own(uuid: str) -> None:
    other = "GPU-11111111-aaaa-bbbb-cccc-123456789abc"
    faster_first = cuda(other, uuid)
    assert (ordinal(numbered(other), faster_first), ordinal(numbered(uuid), faster_first)) == (0, 1)


def test_cuda_does_not_see_it(machine: Machine) -> None:
    first, second = gpus(machine.here())
    with pytest.raises(
        UnavailableError, match=r"L4 \(GPU-1.*\) is not among CUDA's 1; set CUDA_VISIBLE_DEVICES.*PCI_BUS_ID"
    ):
        ordinal(first, cuda(second.uuid))


def test_gpus_that_cupy_cannot_tell_apart() -> None:
    twins = [f"GPU-1100{number}222-aaaa-bbbb-cccc-123456789abc" for number in (1, 2)]
    with pytest.raises(UnavailableError, match=r"cannot be told from 1 other\(s\) by CuPy; set CUDA_VISIBLE_DEVICES"):
        ordinal(numbered(twins[0]), cuda(*twins))


def test_kernels_are_loaded_lazily_unless_something_else_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_MODULE_LOADING", "")
    monkeypatch.delenv("CUDA_MODULE_LOADING")
    load_lazily()
    assert os.environ["CUDA_MODULE_LOADING"] == "LAZY"
    monkeypatch.setenv("CUDA_MODULE_LOADING", "EAGER")
    load_lazily()
    assert os.environ["CUDA_MODULE_LOADING"] == "EAGER"
