"""Choose a GPU: real ``pynvml`` over an NVML library compiled for the test."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from backends.nvidia import gpu as module
from backends.nvidia.gpu import choose, gpus, installed_gpus, ordinal, prepare_environment, visible
from backends.nvidia.nvml import Gpu, query_nvml
from core.errors import HooklineError, UnavailableError
from tests.backends.nvidia.fake_nvml import DIVIDED, NO_PERMISSION, NOT_SUPPORTED, PLAIN, SMALL, Card, install_nvml
from tests.support.machine_tools import UUIDS, Machine, library


@pytest.fixture
def machine(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Two GPUs, the second with more free memory."""
    monkeypatch.setattr(module, "Host", machine.here)
    install_nvml(machine, Card(free=1024), PLAIN)
    return machine


@pytest.fixture
def divided(machine: Machine) -> Machine:
    """A GPU with two MIG instances, and a whole one."""
    install_nvml(machine, DIVIDED, PLAIN)
    return machine


@pytest.fixture
def set_visible(monkeypatch: pytest.MonkeyPatch):
    return lambda value: monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)


@pytest.mark.usefixtures("machine")
def test_auto_takes_the_gpu_with_the_most_free_memory() -> None:
    assert choose("auto") == choose("cuda") == gpus()[1]
    assert choose("auto").name == "NVIDIA L40"


@pytest.mark.usefixtures("machine")
def test_facts() -> None:
    assert gpus()[0] == Gpu(UUIDS[0], "NVIDIA L4", "8.9", 24 << 30, 1 << 30, "580.95.05")


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("device", "index"), [("cuda:0", 0), ("cuda:1", 1)])
def test_a_number(device: str, index: int) -> None:
    assert choose(device).uuid == UUIDS[index]


@pytest.mark.usefixtures("machine")
def test_a_missing_number() -> None:
    with pytest.raises(HooklineError, match=r"no GPU 2 for device=cuda:2; possible: auto, cuda:0 \(NVIDIA L4\), c"):
        choose("cuda:2")


def test_the_cpu_is_refused() -> None:
    with pytest.raises(HooklineError, match="device=cpu cannot be used"):
        choose("cpu")


@pytest.mark.usefixtures("machine")
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
        ("0,0,1", []),
        ("0,GPU-1", []),
        ("0,7,0", [0]),
        ("", []),
        ("NoDevFiles", []),
    ],
)
def test_visible_devices(value: str, expected: list[int]) -> None:
    found = gpus()
    assert visible(found, value) == [found[index] for index in expected]


@pytest.mark.usefixtures("machine")
def test_numbers_count_visible_gpus(set_visible) -> None:
    set_visible("1")
    assert choose("cuda:0").uuid == UUIDS[1]
    set_visible("0")
    assert choose("auto").uuid == UUIDS[0]


@pytest.mark.usefixtures("machine")
def test_nothing_is_visible(set_visible) -> None:
    set_visible("")
    with pytest.raises(UnavailableError, match=r"CUDA_VISIBLE_DEVICES= hides all 2 GPUs; .*stage=doctor"):
        choose("auto")


@pytest.mark.usefixtures("divided")
def test_instances_of_a_divided_gpu(set_visible) -> None:
    found = gpus()
    assert [gpu.uuid for gpu in found] == ["MIG-5a1b", "MIG-5a1c", UUIDS[1]]
    assert [(gpu.name, gpu.total >> 20, gpu.free >> 20) for gpu in found[:2]] == [
        ("NVIDIA A100 MIG 1g.5gb", 4864, 4800),
        ("NVIDIA A100 MIG 3g.20gb", 19968, 19000),
    ]
    assert found[0].capability == "8.0"
    set_visible("MIG-5a1b,MIG-5a1c")
    assert choose("auto").uuid == "MIG-5a1c"


@pytest.mark.usefixtures("divided")
@pytest.mark.parametrize(
    ("value", "uuids"),
    [
        ("MIG-5a1c", ["MIG-5a1c"]),
        ("MIG-typo", []),
        ("MIG-5a1", []),
        (UUIDS[0], ["MIG-5a1b"]),
        ("GPU-1111", ["MIG-5a1b"]),
        ("0", ["MIG-5a1b"]),
        ("1", [UUIDS[1]]),
        ("1,0", [UUIDS[1], "MIG-5a1b"]),
        ("2", []),
    ],
)
def test_visible_devices_with_mig(value: str, uuids: list[str]) -> None:
    assert [gpu.uuid for gpu in visible(installed_gpus(), value)] == uuids


@pytest.mark.parametrize("first", [replace(DIVIDED, mig=()), Card(handle=15)])
def test_gpus_that_do_not_work_keep_their_numbers(machine: Machine, set_visible, first: Card) -> None:
    install_nvml(machine, first, PLAIN)
    assert [bool(gpu.problem) for gpu in query_nvml()] == [True, False]
    set_visible("1")
    assert choose("cuda:0").uuid == UUIDS[1]


def test_gpus_of_other_jobs_do_not_count(machine: Machine, set_visible) -> None:
    install_nvml(machine, Card(handle=NO_PERMISSION), PLAIN)
    set_visible("0")
    assert choose("cuda:0").uuid == UUIDS[1]


@pytest.mark.usefixtures("divided")
@pytest.mark.parametrize(("device", "uuid"), [("cuda:1", "MIG-5a1c"), ("cuda:2", UUIDS[1])])
def test_with_mig_the_chosen_gpu_is_named_to_cuda(device: str, uuid: str) -> None:
    prepare_environment(choose(device))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == uuid


@pytest.mark.usefixtures("machine")
def test_without_mig_the_environment_stays() -> None:
    prepare_environment(choose("auto"))
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.usefixtures("divided")
def test_after_the_start_of_cuda_the_environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_cuda_started", lambda: True)
    prepare_environment(choose("cuda:1"))
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.usefixtures("divided")
@pytest.mark.parametrize("value", [None, "MIG-5a1b,MIG-5a1c"])
def test_the_next_stage_finds_the_same_instance(set_visible, value: str | None) -> None:
    if value is not None:
        set_visible(value)
    prepare_environment(choose("cuda:1"))
    assert choose("cuda:1").uuid == choose("auto").uuid == "MIG-5a1c"
    assert choose("cuda:0").uuid == "MIG-5a1b"


def test_whether_cuda_has_started_is_read_from_the_loaded_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "int calls; int cuInit(int flags) { calls = 1; return 0; }"
    path = library(tmp_path / "libcuda.so.1", f"{source} int cuDeviceGetCount(int *count) {{ return calls ? 0 : 3; }}")
    real = ctypes.CDLL
    monkeypatch.setattr(module.ctypes, "CDLL", lambda name, mode: real(str(path), mode=mode))
    assert not module._cuda_started()
    driver = real(str(path))
    assert not module._cuda_started()
    driver.cuInit(0)
    assert module._cuda_started()


@pytest.mark.parametrize(("code", "reason"), [(999, "Unknown Error"), (18, "RM has detected an NVML.RM")])
def test_nvml_fails(machine: Machine, code: int, reason: str) -> None:
    install_nvml(machine, init=code)
    with pytest.raises(UnavailableError, match=rf"no GPU can be used: NVML: {reason}.*=doctor"):
        choose("auto")


def test_nvml_hangs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    install_nvml(machine, PLAIN, hangs=True)
    monkeypatch.setattr("backends.nvidia.nvml.LIMIT", 0.2)
    with pytest.raises(UnavailableError, match=r"no GPU can be used: NVML: no answer within 0\.2 s; .*=doctor"):
        choose("auto")


def test_no_driver() -> None:
    with pytest.raises(UnavailableError, match=r"no GPU can be used: NVML: Shared Library Not Found.*stage=doctor"):
        choose("auto")


def test_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(UnavailableError, match=r"no GPU can be used: .*pynvml.*pip install nvidia-ml-py"):
        choose("auto")


def test_the_choice_imports_no_check() -> None:
    code = "import sys, backends.nvidia.gpu; print([name for name in sys.modules if name in sys.argv[1:]])"
    names = ("pynvml", "backends.nvidia.driver", "backends.nvidia.checks", "backends.system.checks", "core.kinds.check")
    assert subprocess.check_output([sys.executable, "-c", code, *names], text=True).strip() == "[]"


@pytest.mark.parametrize("init", [NOT_SUPPORTED, 12])
def test_a_jetson_without_nvml(machine: Machine, init: int) -> None:
    machine.write("/proc/device-tree/model", "NVIDIA Jetson Orin Nano")
    machine.driver_library()
    install_nvml(machine, init=init)
    (found,) = gpus()
    assert "Orin" in found.name
    assert ordinal(found, cuda(UUIDS[0])) == 0


def test_a_board_has_another_uuid_in_nvml_than_in_cuda(machine: Machine) -> None:
    install_nvml(machine, Card("1833c8b5-9aa0-5382-b784-68b7e77eb185", "Orin (nvgpu)", "8.7", memory=NOT_SUPPORTED))
    (found,) = gpus()
    assert ordinal(found, cuda(UUIDS[0])) == 0


@pytest.mark.usefixtures("machine")
def test_a_uuid_without_a_prefix() -> None:
    assert ordinal(numbered(UUIDS[0].removeprefix("GPU-")), cuda(UUIDS[1], UUIDS[0])) == 1


def test_the_only_instance_is_found_whatever_its_uuid_in_cuda(machine: Machine) -> None:
    install_nvml(machine, replace(DIVIDED, mig=(SMALL,)))
    (found,) = gpus()
    assert ordinal(found, cuda(UUIDS[0])) == 0


@pytest.mark.usefixtures("divided")
def test_of_several_instances_only_the_named_one_is_found(set_visible) -> None:
    small, large, _ = gpus()
    for instance in (small, large):
        with pytest.raises(
            UnavailableError, match=r"is not one of the 1 that CUDA sees; set CUDA_VISIBLE_DEVICES to its UUID, and"
        ):
            ordinal(instance, cuda(UUIDS[0]))
    set_visible(large.uuid)
    assert ordinal(large, cuda(UUIDS[0])) == 0
    with pytest.raises(UnavailableError, match="is not one of"):
        ordinal(small, cuda(UUIDS[0]))


def as_cupy_reads(uuid: str) -> bytes:
    """CuPy reads the bytes as a C string: it includes the following memory up to the first zero."""
    return (bytes.fromhex(uuid.partition("-")[2].replace("-", "")) + b"luid").partition(b"\0")[0]


def cuda(*uuids: str) -> SimpleNamespace:
    """The CUDA runtime with these GPUs in this order."""
    known = [{"uuid": as_cupy_reads(uuid)} for uuid in uuids]
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
def test_cuda_has_an_order_of_its_own(uuid: str) -> None:
    other = "GPU-11111111-aaaa-bbbb-cccc-123456789abc"
    faster_first = cuda(other, uuid)
    assert (ordinal(numbered(other), faster_first), ordinal(numbered(uuid), faster_first)) == (0, 1)


@pytest.mark.usefixtures("machine")
def test_cuda_does_not_see_it() -> None:
    first, second = gpus()
    said = r"L4 \(GPU-1.*\) is not one of the 1 that CUDA sees; set CUDA_VISIBLE_DEVICES.*PCI_BUS_ID"
    with pytest.raises(UnavailableError, match=said):
        ordinal(first, cuda(second.uuid))


def test_gpus_that_cupy_cannot_distinguish() -> None:
    twins = [f"GPU-1100{number}222-aaaa-bbbb-cccc-123456789abc" for number in (1, 2)]
    with pytest.raises(
        UnavailableError, match=r"cannot be distinguished from 1 other GPU by CuPy; set CUDA_VISIBLE_DEVICES"
    ):
        ordinal(numbered(twins[0]), cuda(*twins))


def test_auto_stays_on_its_first_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an engine is opened, it no longer has the most free memory."""
    now = [numbered(UUIDS[0]), replace(numbered(UUIDS[1]), free=2 << 30)]
    monkeypatch.setattr(module, "gpus", lambda: tuple(now))
    first = choose("auto")
    assert first.uuid == UUIDS[1]
    now[1] = replace(now[1], free=0)
    assert choose("cuda").uuid == choose("auto").uuid == first.uuid
    del now[1]
    assert choose("auto").uuid == UUIDS[0]


def test_nvml_is_queried_once_per_value(monkeypatch: pytest.MonkeyPatch, set_visible) -> None:
    queries = []
    monkeypatch.setattr(module, "query_nvml", lambda: queries.append(1) or [numbered("GPU-1")])
    assert gpus() == gpus()
    assert len(queries) == 1
    set_visible("0")
    assert len(gpus()) == 1
    assert len(queries) == 2


def test_numbers_count_as_before_the_change_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    instances = [replace(numbered(name), parent=UUIDS[0], mig_enabled=True) for name in ("MIG-5a1b", "MIG-5a1c")]
    queries = []
    monkeypatch.setattr(module, "query_nvml", lambda: queries.append(1) or instances)
    prepare_environment(choose("cuda:1"))
    assert (choose("cuda:0"), choose("cuda:1")) == tuple(instances)
    assert len(queries) == 1
    assert gpus() == (instances[1],)
