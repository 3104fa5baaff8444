"""What PyTorch computes on: which of its GPUs ``device=`` means, and why there is none."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

import torch

from backends.nvidia import devices
from backends.nvidia.devices import Gpu
from backends.nvidia.visible_devices import VISIBLE
from core.errors import HooklineError, UnavailableError
from core.process.environment import RANKS


@dataclass(frozen=True)
class Chosen:
    """A device of PyTorch.

    Attributes:
        device: With a number, but for a training in several processes, each of which takes its own GPU.
        place: The GPU in words; empty on a CPU, and where processes take their own.
        doubt: Why it is the CPU though a GPU is there, and what to do; else empty.
    """

    device: torch.device
    place: str = ""
    doubt: str = ""


def choose_device(word: str) -> Chosen:
    """The device that ``device=word`` names: for ``auto`` the GPU with most free memory, or the CPU.

    NVML counts GPUs in the order of the PCI bus and CUDA as it was told, so that a GPU is found by its UUID.

    Raises:
        UnavailableError: It is not there; says what to do.
    """
    if word == "cpu":
        return Chosen(torch.device("cpu"))
    together = ":" not in word and RANKS.world > 1
    gpu = _by_nvml(word)
    if gpu and not together:
        devices.prepare_environment(gpu)
    count = _count()
    if not count:
        return _without_gpus(word, gpu)
    if together:
        return Chosen(torch.device("cuda"))
    index = _index_of(gpu, count, word)
    if index >= count:
        raise UnavailableError(
            f"there is no GPU {index} for device={word}: PyTorch sees {count}", f"possible: auto, {_listed(count)}"
        )
    return Chosen(torch.device("cuda", index), f"cuda:{index} ({torch.cuda.get_device_name(index)})")


def _count() -> int:
    """How many GPUs PyTorch can use. Its own warning takes several lines; ours comes in its place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _by_nvml(word: str) -> Gpu | None:
    """The GPU by NVML; None where NVML does not tell, or PyTorch runs on GPUs that are not NVIDIA's."""
    try:
        return devices.choose(word)
    except HooklineError:
        return None


def _index_of(gpu: Gpu | None, count: int, word: str) -> int:
    """The number that PyTorch gives a GPU; that of ``word`` where UUIDs do not tell.

    Raises:
        UnavailableError: They tell that PyTorch does not see it.
    """
    usual = int(word.partition(":")[2] or 0)
    uuids = [_digits(str(getattr(torch.cuda.get_device_properties(index), "uuid", ""))) for index in range(count)]
    if gpu is None or not gpu.uuid or not all(uuids):
        return usual
    if _digits(gpu.uuid) in uuids:
        return uuids.index(_digits(gpu.uuid))
    if count == 1 and os.environ.get(VISIBLE) == gpu.uuid:
        return 0  # drivers differ in the UUID of an instance of MIG: it is the one where it alone was named to CUDA
    raise UnavailableError(
        f"{gpu.name} ({gpu.uuid}) is not among the {count} that PyTorch sees",
        f"set {VISIBLE} to its UUID, or take another: {_listed(count)}",
    )


def _digits(uuid: str) -> str:
    """NVML writes ``GPU-`` or ``MIG-`` before a UUID, PyTorch does not."""
    return uuid.lower().removeprefix("gpu-").removeprefix("mig-").replace("-", "")


def _without_gpus(word: str, gpu: Gpu | None) -> Chosen:
    if torch.version.cuda is None:
        why = f"PyTorch {torch.__version__} is built without CUDA"
        remedy = "install PyTorch for CUDA as https://pytorch.org/get-started says"
    else:
        driver = f"driver {gpu.driver}" if gpu and gpu.driver else "the driver"
        why = f"PyTorch {torch.__version__} for CUDA {torch.version.cuda} finds no GPU by {driver}"
        remedy = "update the driver, or install PyTorch for an older CUDA; +stage=doctor looks closer"
    if word != "auto":
        named = f" ({gpu.name})" if gpu else ""
        raise UnavailableError(f"device={word}{named} cannot be used: {why}", f"set device=cpu, or {remedy}")
    if gpu is None:
        return Chosen(torch.device("cpu"))
    doubt = f"{gpu.name} is there, and the CPU computes: {why}; {remedy}; device=cpu says that it is meant"
    return Chosen(torch.device("cpu"), doubt=doubt)


def _listed(count: int) -> str:
    return ", ".join(f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(count))
