"""NVML: every refusal has its remedy; GPUs with what they have, through a library compiled for the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.nvidia.nvml import capabilities, gpus
from core.checks import Finding, State
from tests.machine_tools import Machine, asked, library, only, states

NVML = """
#include <string.h>
int nvmlInit_v2(void) { return %(init)d; }
const char *nvmlErrorString(int code) { return code == 999 ? "Unknown Error" : code == 15 ? "GPU is lost" : "Refused"; }
int nvmlSystemGetDriverVersion(char *text, unsigned n) { strncpy(text, "580.95.05", n); return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = %(count)d; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **handle) { *handle = (void *)(long)(i + 1); return %(handle)d; }
int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *memory) {
  memory[0] = 24ull << 30; memory[1] = %(free)dull << 20; memory[2] = memory[0] - memory[1]; return 0; }
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
  const char *capability = handle == (void *)1 ? "%(capability)s" : "8.9";
  *major = capability[0] - '0'; *minor = capability[2] - '0'; return 0; }
int nvmlDeviceGetName(void *handle, char *text, unsigned n) { strncpy(text, "NVIDIA L4", n); return 0; }
int nvmlDeviceGetUUID(void *handle, char *text, unsigned n) {
  strncpy(text, (long)handle > 100 ? "MIG-5a1b" : (long)handle == 1 ? "GPU-1111" : "GPU-2222", n); return 0; }
int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
  *current = *pending = %(mig)d >= 0; return 0; }
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) { *count = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned i, void **device) {
  *device = (void *)(long)(101 + i); return (int)i < %(mig)d ? 0 : 6; }
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.gpus()
    return machine


def nvml(machine: Machine, *, init: int = 0, count: int = 1, handle: int = 0, free: int = 20000, mig: int = -1,
         capability: str = "8.9") -> None:  # fmt: skip
    words = {"init": init, "count": count, "handle": handle, "free": free, "mig": mig, "capability": capability}
    library(machine.root / "usr/lib64/libnvidia-ml.so.1", NVML % words)


def look(machine: Machine) -> list[Finding]:
    return list(gpus(asked(machine.root), machine.here()))


def test_without_a_driver_there_is_nothing_to_ask(tmp_path: Path) -> None:
    assert look(Machine(tmp_path)) == []


def test_two_gpus(machine: Machine) -> None:
    nvml(machine, count=2)
    found = look(machine)
    assert states(found) == {"NVML": State.ok, "GPU 0": State.ok, "GPU 1": State.ok}
    assert found[1].found == "NVIDIA L4, compute capability 8.9, 19.5 GiB of 24.0 GiB free, GPU-1111"
    assert found[2].facts["uuid"] == "GPU-2222"
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
    nvml(machine, init=code)
    finding = only(look(machine))
    assert finding.state is State.error
    assert finding.found.startswith("Failed to initialize NVML: ")
    assert finding.facts == {"code": str(code)}
    assert said in finding.remedy
    assert capabilities(machine.here()) == []


def test_the_words_that_people_search_for(machine: Machine) -> None:
    nvml(machine, init=999)
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
    assert only(look(machine)).state is State.absent


def test_library_that_cannot_be_loaded(machine: Machine) -> None:
    machine.write("/usr/lib64/libnvidia-ml.so.1", "broken")
    assert "cannot be asked" in only(look(machine)).found


def test_no_gpu(machine: Machine) -> None:
    nvml(machine, count=0)
    assert only(look(machine)).state is State.error


@pytest.mark.parametrize(
    ("given", "state", "said"),
    [
        ({"handle": 15}, State.error, "GPU is lost"),
        ({"capability": "6.1"}, State.error, "6.1"),
        ({"capability": "7.5"}, State.ok, "7.5"),
        ({"mig": 0}, State.error, "no instance"),
        ({"mig": 1}, State.ok, "MIG-5a1b"),
        ({"free": 300}, State.warning, "300 MiB"),
    ],
)
def test_gpus_and_what_is_wrong_with_them(
    machine: Machine, given: dict[str, int | str], state: State, said: str
) -> None:
    nvml(machine, **given)  # type: ignore[arg-type]
    found = {finding.subject: finding for finding in look(machine)}
    states(found.values())
    assert found["GPU 0"].state is state
    assert said in found["GPU 0"].found


def test_one_gpu_that_works_is_enough(machine: Machine) -> None:
    nvml(machine, count=2, capability="6.1")
    assert states(look(machine)) == {"NVML": State.ok, "GPU 0": State.warning, "GPU 1": State.ok}
