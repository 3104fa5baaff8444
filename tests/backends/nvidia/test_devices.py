"""The choice of a GPU, on machines made of files with an NVML compiled for the test."""

from __future__ import annotations

import ctypes
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from backends.nvidia import devices, started
from backends.nvidia.devices import Gpu, choose, gpus, listed, load_lazily, ordinal, prepare_environment, visible
from backends.system.host import Host
from core.errors import HooklineError, UnavailableError
from tests.backends.nvidia.fake_nvml import DIVIDED, NO_PERMISSION, NOT_SUPPORTED, PLAIN, SMALL, Card, install_nvml
from tests.support.machine_tools import UUIDS, Machine, library


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Two GPUs, the second of them the freer one."""
    machine = Machine(tmp_path)
    machine.gpus(2)
    library(machine.root / "usr/lib64/libcuda.so.580.95.05", "int cuInit(int flags) { return 0; }")
    install_nvml(machine, Card(free=1024), PLAIN)
    return machine


@pytest.fixture
def divided(machine: Machine) -> Machine:
    """A divided GPU beside a whole one."""
    install_nvml(machine, DIVIDED, PLAIN)
    return machine


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which CUDA has not started and the variable is as the test sets it."""
    monkeypatch.setattr(devices, "_given", {})
    monkeypatch.setattr(started, "has_started", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")


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
        ("0,0,1", []),
        ("0,GPU-1", []),
        ("0,7,0", [0]),
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


def test_instances_of_a_divided_gpu(divided: Machine) -> None:
    found = gpus(divided.here())
    assert [gpu.uuid for gpu in found] == ["MIG-5a1b", "MIG-5a1c", UUIDS[1]]
    assert [(gpu.name, gpu.total >> 20, gpu.free >> 20) for gpu in found[:2]] == [
        ("NVIDIA A100 MIG 1g.5gb", 4864, 4800),
        ("NVIDIA A100 MIG 3g.20gb", 19968, 19000),
    ]
    assert found[0].capability == "8.0"
    divided.environment["CUDA_VISIBLE_DEVICES"] = "MIG-5a1b,MIG-5a1c"
    assert choose("auto", divided.here()).uuid == "MIG-5a1c"


def test_a_container_may_not_ask_the_whole_gpu(machine: Machine) -> None:
    install_nvml(machine, replace(DIVIDED, memory=NO_PERMISSION, mig=(SMALL,)))
    (gpu,) = gpus(machine.here())
    assert (gpu.uuid, gpu.total >> 20) == ("MIG-5a1b", 4864)


@pytest.mark.parametrize("error", [NOT_SUPPORTED, NO_PERMISSION])
def test_a_gpu_without_memory_of_its_own(machine: Machine, error: int) -> None:
    install_nvml(machine, Card(name="NVIDIA GB10", capability="12.1", memory=error))
    (gpu,) = gpus(machine.here())
    assert (gpu.name, gpu.capability, gpu.total, gpu.free) == ("NVIDIA GB10", "12.1", 0, 0)


@pytest.mark.parametrize(
    ("value", "uuids"),
    [
        ("MIG-5a1c", ["MIG-5a1c"]),
        ("MIG-typo", []),
        ("MIG-5a1", []),
        (UUIDS[0], ["MIG-5a1b"]),
        ("GPU-1111", ["MIG-5a1b"]),
        (f"MIG-{UUIDS[0]}/2/0", ["MIG-5a1c"]),
        ("0", ["MIG-5a1b"]),
        ("1", [UUIDS[1]]),
        ("1,0", [UUIDS[1], "MIG-5a1b"]),
        ("2", []),
    ],
)
def test_names_and_numbers_beside_a_divided_gpu(divided: Machine, value: str, uuids: list[str]) -> None:
    assert [gpu.uuid for gpu in visible(listed(divided.here()), value)] == uuids


def test_gpus_that_cannot_be_used_keep_their_numbers(machine: Machine) -> None:
    install_nvml(machine, replace(DIVIDED, mig=()), PLAIN)
    machine.environment["CUDA_VISIBLE_DEVICES"] = "1"
    assert choose("cuda:0", machine.here()).uuid == UUIDS[1]
    install_nvml(machine, Card(handle=15), PLAIN)
    assert choose("cuda:0", machine.here()).uuid == UUIDS[1]


def test_gpus_of_other_jobs_are_not_counted(machine: Machine) -> None:
    install_nvml(machine, Card(handle=NO_PERMISSION), PLAIN)
    machine.environment["CUDA_VISIBLE_DEVICES"] = "0"
    assert choose("cuda:0", machine.here()).uuid == UUIDS[1]


def test_a_chosen_instance_is_named_to_cuda(divided: Machine, process: None) -> None:
    prepare_environment(choose("cuda:1", divided.here()))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "MIG-5a1c"


def test_so_is_a_whole_gpu_beside_one_that_is_divided(divided: Machine, process: None) -> None:
    prepare_environment(choose("cuda:2", divided.here()))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == UUIDS[1]


def test_without_mig_the_environment_stays(machine: Machine, process: None) -> None:
    prepare_environment(choose("auto", machine.here()))
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_once_cuda_has_started_the_environment_stays(
    divided: Machine, process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(started, "has_started", lambda: True)
    prepare_environment(choose("cuda:1", divided.here()))
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.parametrize("value", [None, "MIG-5a1b,MIG-5a1c"])
def test_the_next_stage_finds_the_same_instance(
    divided: Machine, process: None, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    here = Host(divided.root, site=())
    prepare_environment(choose("cuda:1", here))
    assert choose("cuda:1", here).uuid == choose("auto", here).uuid == "MIG-5a1c"
    assert choose("cuda:0", here).uuid == "MIG-5a1b"


def test_whether_cuda_has_started_is_asked_of_the_library_that_is_loaded(tmp_path: Path) -> None:
    source = "int calls; int cuInit(int flags) { calls = 1; return 0; }"
    path = library(tmp_path / "libcuda.so.1", f"{source} int cuDeviceGetCount(int *count) {{ return calls ? 0 : 3; }}")
    assert not started.has_started(str(path))
    driver = ctypes.CDLL(str(path))
    assert not started.has_started(str(path))
    driver.cuInit(0)
    assert started.has_started(str(path))


def test_a_container_that_lost_its_devices(machine: Machine) -> None:
    install_nvml(machine, init=999)
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
    install_nvml(machine, init=NOT_SUPPORTED)
    assert gpus(machine.here()) == (gpu,)


def test_a_board_gives_another_uuid_by_nvml_than_by_cuda(machine: Machine) -> None:
    install_nvml(machine, Card("1833c8b5-9aa0-5382-b784-68b7e77eb185", "Orin (nvgpu)", "8.7", memory=NOT_SUPPORTED))
    (gpu,) = gpus(machine.here())
    assert ordinal(gpu, cuda(UUIDS[0]), machine.here()) == 0


def test_a_uuid_without_a_prefix(machine: Machine) -> None:
    plain = UUIDS[0].removeprefix("GPU-")
    assert ordinal(numbered(plain), cuda(UUIDS[1], UUIDS[0]), machine.here()) == 1


def test_the_only_instance_is_found_whatever_uuid_cuda_gives(machine: Machine) -> None:
    install_nvml(machine, replace(DIVIDED, mig=(SMALL,)))
    (gpu,) = gpus(machine.here())
    assert ordinal(gpu, cuda(UUIDS[0]), machine.here()) == 0


def test_of_several_instances_only_the_named_one_is(divided: Machine) -> None:
    small, large, _ = gpus(divided.here())
    for gpu in (small, large):
        with pytest.raises(UnavailableError, match=r"is not among CUDA's 1; set CUDA_VISIBLE_DEVICES to its UUID, and"):
            ordinal(gpu, cuda(UUIDS[0]), divided.here())
    divided.environment["CUDA_VISIBLE_DEVICES"] = large.uuid
    assert ordinal(large, cuda(UUIDS[0]), divided.here()) == 0
    with pytest.raises(UnavailableError, match="not among"):
        ordinal(small, cuda(UUIDS[0]), divided.here())


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
        ordinal(first, cuda(second.uuid), machine.here())


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


def test_auto_stays_on_the_gpu_that_it_took_first(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the freest any more once an engine lies on it."""
    monkeypatch.setattr(devices, "_taken", [])
    now = list(gpus(machine.here()))
    monkeypatch.setattr(devices, "gpus", lambda here=None: tuple(now))
    first = choose("auto")
    assert first.uuid == now[1].uuid
    now[1] = replace(now[1], free=0)
    assert choose("cuda").uuid == choose("auto").uuid == first.uuid
    assert choose("auto", machine.here()).uuid == now[0].uuid  # of another machine nothing is remembered
    del now[1]
    assert choose("auto").uuid == now[0].uuid


def test_nvml_is_asked_once_for_what_is_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(devices, "listed", lambda here: asked.append(1) or [Gpu("GPU-1", "a GPU", "8.9", 1, 1, "")])
    devices._seen.cache_clear()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus() == gpus() == devices.gpus()
    assert len(asked) == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert len(gpus()) == 1
    assert len(asked) == 2
    devices._seen.cache_clear()


@pytest.mark.usefixtures("process")
def test_so_it_is_for_numbers_which_go_on_counting_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    instances = [replace(numbered(name), parent=UUIDS[0], beside_mig=True) for name in ("MIG-5a1b", "MIG-5a1c")]
    asked = []
    monkeypatch.setattr(devices, "listed", lambda here: asked.append(1) or instances)
    devices._seen.cache_clear()
    prepare_environment(choose("cuda:1"))
    assert (choose("cuda:0"), choose("cuda:1")) == tuple(instances)
    assert len(asked) == 1
    assert gpus() == (instances[1],)
    devices._seen.cache_clear()
