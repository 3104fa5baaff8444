"""Choose a PyTorch device, with simulated GPUs and drivers."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from backends.nvidia import gpu as nvidia_gpu
from backends.nvidia.nvml import Gpu
from backends.yolov5 import devices as torch_devices
from backends.yolov5 import plugin, training_job
from backends.yolov5.devices import TorchDevice, choose_device
from core.errors import HooklineError, UnavailableError
from core.kinds.check import broken
from core.process.environment import Ranks

FIRST = Gpu("GPU-AAAA0000-0000-0000-0000-000000000001", "NVIDIA T4", "7.5", 16, 1, "580.95.05")
SECOND = Gpu("GPU-bbbb0000-0000-0000-0000-000000000002", "NVIDIA L40", "8.9", 48, 40, "580.95.05")
BOTH = (FIRST, SECOND)
Make = Callable[..., list[str]]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """A machine with two GPUs in NVML's order, the second of them freer, as PyTorch counts them.

    The list records in order what was named to CUDA, and when PyTorch was queried.
    """

    def machine(
        order: tuple[Gpu, ...] = (FIRST, SECOND), *, by_nvml: bool = True, cuda: str | None = "13.0"
    ) -> list[str]:
        done: list[str] = []

        def choose(word: str) -> Gpu:
            if not by_nvml:
                raise UnavailableError("no GPU can be used: NVML is not there")
            number = word.partition(":")[2]
            if number and int(number) > 1:
                raise HooklineError(f"there is no GPU {number}")
            return BOTH[int(number)] if number else SECOND

        def is_available() -> bool:
            done.append("PyTorch queried")
            warnings.warn("CUDA initialization: several\nlines", stacklevel=1)
            return bool(order)

        def properties(index: int) -> Any:
            return SimpleNamespace(uuid=order[index].uuid.partition("-")[2].lower(), name=order[index].name)

        monkeypatch.setattr(nvidia_gpu, "choose", choose)
        monkeypatch.setattr(nvidia_gpu, "prepare_environment", lambda gpu: done.append(f"{gpu.name} named"))
        monkeypatch.setattr(torch.cuda, "is_available", is_available)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(order))
        monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: order[index].name)
        monkeypatch.setattr(torch.version, "cuda", cuda)
        return done

    return machine


@pytest.mark.parametrize("order", [BOTH, BOTH[::-1]])
@pytest.mark.parametrize(("word", "gpu"), [("auto", SECOND), ("cuda", SECOND), ("cuda:0", FIRST), ("cuda:1", SECOND)])
def test_one_gpu_however_pytorch_counts(make: Make, order: tuple[Gpu, ...], word: str, gpu: Gpu) -> None:
    done = make(order)
    index = order.index(gpu)
    assert choose_device(word) == TorchDevice(torch.device("cuda", index), f"cuda:{index} ({gpu.name})")
    assert done == [f"{gpu.name} named", "PyTorch queried"]


def test_without_nvml_pytorch_counts(make: Make) -> None:
    make(by_nvml=False)
    assert choose_device("auto").device == torch.device("cuda", 0)
    assert choose_device("cuda:1").device == torch.device("cuda", 1)


def test_without_uuids_pytorch_counts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace())
    assert choose_device("auto").device == torch.device("cuda", 0)
    assert choose_device("cuda:1").device == torch.device("cuda", 1)


@pytest.mark.parametrize("named", [True, False])
def test_the_one_instance_that_cuda_shows_is_the_chosen_one(
    make: Make, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    make((FIRST,))
    instance = Gpu("MIG-1", "NVIDIA A100 MIG 3g.20gb", "8.0", 20, 20, "580.95.05")
    monkeypatch.setattr(nvidia_gpu, "choose", lambda word: instance)
    if named:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1")
        assert choose_device("cuda:3").device == torch.device("cuda", 0)
    else:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        with pytest.raises(UnavailableError, match=r"MIG 3g.20gb \(MIG-1\) is not among the 1 that PyTorch sees"):
            choose_device("cuda:3")


@pytest.mark.parametrize("by_nvml", [True, False])
def test_a_missing_gpu(make: Make, by_nvml: bool) -> None:
    make(by_nvml=by_nvml)
    message = (
        r"^there is no GPU 3 for device=cuda:3: PyTorch sees 2; possible: auto, cuda:0 \(NVIDIA T4\), cuda:1 \(NVI"
    )
    with pytest.raises(UnavailableError, match=message):
        choose_device("cuda:3")


def test_each_rank_takes_its_own_gpu(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    done = make()
    monkeypatch.setattr(torch_devices, "RANKS", Ranks(0, 2, 0))
    assert choose_device("auto") == choose_device("cuda") == TorchDevice(torch.device("cuda"))
    assert set(done) == {"PyTorch queried"}, "a GPU that is named to CUDA would be the only one"


def test_the_cpu_needs_no_query(make: Make) -> None:
    done = make()
    assert choose_device("cpu") == TorchDevice(torch.device("cpu"))
    assert done == []


@pytest.mark.parametrize(
    ("cuda", "why"),
    [
        ("13.0", f"PyTorch {torch.__version__} for CUDA 13.0 finds no GPU with driver 580.95.05; update the driver"),
        (None, f"PyTorch {torch.__version__} is built without CUDA; install PyTorch for CUDA"),
    ],
)
def test_a_gpu_that_pytorch_cannot_use_is_reported(make: Make, cuda: str | None, why: str) -> None:
    make((), cuda=cuda)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = choose_device("auto")
    assert (chosen.device, chosen.description) == (torch.device("cpu"), "")
    assert chosen.warning.startswith(f"NVIDIA L40 is present but PyTorch cannot use it: {why}")
    assert "Set device=cpu to silence this" in chosen.warning
    assert "\n" not in chosen.warning
    with pytest.raises(
        UnavailableError, match=r"^device=cuda:1 \(NVIDIA L40\) cannot be used: PyTorch .*; set device=cpu"
    ):
        choose_device("cuda:1")


def test_without_a_gpu_the_cpu_is_taken_silently(make: Make) -> None:
    make((), by_nvml=False)
    assert choose_device("auto") == TorchDevice(torch.device("cpu"))


@pytest.mark.parametrize(
    ("chosen", "notes", "warned"),
    [
        (TorchDevice(torch.device("cpu"), "cuda:1 (NVIDIA L40)"), ["training on cuda:1 (NVIDIA L40)"], []),
        (TorchDevice(torch.device("cpu"), warning="the driver is old"), [], ["the driver is old"]),
        (TorchDevice(torch.device("cpu")), [], []),
    ],
)
def test_training_reports_its_device(
    monkeypatch: pytest.MonkeyPatch, chosen: TorchDevice, notes: list[str], warned: list[str]
) -> None:
    class Begun(Exception):
        pass

    def join_processes(device: torch.device) -> Any:
        raise Begun

    messages: dict[str, list[str]] = {"note": [], "warn": []}
    watcher = SimpleNamespace(note=messages["note"].append, warn=messages["warn"].append)
    monkeypatch.setattr(training_job, "choose_device", lambda word: chosen)
    monkeypatch.setattr(training_job, "join_processes", join_processes)
    job: Any = SimpleNamespace(device="auto", watcher=watcher)
    with pytest.raises(Begun):
        training_job.train(job)
    assert messages == {"note": notes, "warn": warned}


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Sets the fault of the driver."""
    return lambda problem: monkeypatch.setattr("backends.nvidia.driver.driver_problem", lambda here=None: problem)


def problems(word: str) -> list[str]:
    (family,) = plugin.hookline_models()
    return [str(problem) for problem in family.check_device(word)]


def test_the_plan_reports_a_missing_gpu(make: Make, driver: Callable[[Any], None]) -> None:
    make()
    driver(None)
    assert problems("cuda:5") == ["there is no GPU 5"]
    assert problems("cuda:1") == problems("auto") == problems("cpu") == []


def test_the_plan_reports_a_missing_driver(make: Make, driver: Callable[[Any], None]) -> None:
    make()
    driver(broken("NVIDIA driver", "no kernel module is loaded", "sudo modprobe nvidia"))
    said = "device=cuda:0 cannot be used: no kernel module is loaded; set device=cpu, or sudo modprobe nvidia"
    assert problems("cuda:0") == [said]
    assert problems("auto") == []


def test_without_nvml_the_plan_leaves_the_gpu_to_pytorch(
    make: Make, driver: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(by_nvml=False)
    driver(None)
    assert problems("cuda:0") == []
    driver(broken("NVIDIA driver", "there is none", "install it"))
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.9.0+rocm6.4")
    assert problems("cuda:0") == [], "PyTorch for AMD calls its GPUs cuda"


def test_the_check_of_the_plan_is_light(repo_root: Path) -> None:
    code = (
        "import sys; from backends.yolov5.plugin import check_device; list(check_device('cuda:0'));"
        "print([name for name in ('torch', 'numpy', 'cupy') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=repo_root).strip() == "[]"
