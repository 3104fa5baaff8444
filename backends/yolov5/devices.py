"""Choose the PyTorch device that ``device=`` names, and say why there is none."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

import torch

from backends.nvidia import gpu as nvidia_gpu
from backends.nvidia.gpu import VISIBLE
from backends.nvidia.nvml import Gpu
from core.errors import HooklineError, UnavailableError
from core.process.environment import RANKS


@dataclass(frozen=True)
class Chosen:
    """A PyTorch device.

    Attributes:
        device: With a number, except for training in several processes, each of which takes its own GPU.
        place: Name of the GPU; empty on a CPU, and where each process takes its own.
        doubt: Why it is the CPU although there is a GPU, and what to do; else empty.
    """

    device: torch.device
    place: str = ""
    doubt: str = ""


def choose_device(word: str) -> Chosen:
    """Return the device that ``device=word`` names: for ``auto`` the GPU with the most free memory, or the CPU.

    NVML and CUDA may number GPUs differently, so a GPU is identified by its UUID.

    Raises:
        UnavailableError: There is no such device.
    """
    if word == "cpu":
        return Chosen(torch.device("cpu"))
    distributed = ":" not in word and RANKS.world > 1
    gpu = _choose_by_nvml(word)
    if gpu and not distributed:
        nvidia_gpu.prepare_environment(gpu)
    count = _count()
    if not count:
        return _without_gpus(word, gpu)
    if distributed:
        return Chosen(torch.device("cuda"))
    index = _index_of(gpu, count, word)
    if index >= count:
        possible = f"possible: auto, {_device_names(count)}"
        raise UnavailableError(f"there is no GPU {index} for device={word}: PyTorch sees {count}", possible)
    return Chosen(torch.device("cuda", index), f"cuda:{index} ({torch.cuda.get_device_name(index)})")


def _count() -> int:
    """Return the number of GPUs that PyTorch can use. Our own message replaces its warning of several lines."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _choose_by_nvml(word: str) -> Gpu | None:
    """Return the GPU; None where NVML is missing, or PyTorch is built for AMD GPUs."""
    try:
        return nvidia_gpu.choose(word)
    except HooklineError:
        return None


def _index_of(gpu: Gpu | None, count: int, word: str) -> int:
    """Return PyTorch's number of a GPU; that of ``word`` where UUIDs are unknown.

    Raises:
        UnavailableError: PyTorch does not see the GPU.
    """
    uuids = [_digits(str(getattr(torch.cuda.get_device_properties(index), "uuid", ""))) for index in range(count)]
    if gpu is None or not gpu.uuid or not all(uuids):
        return int(word.partition(":")[2] or 0)
    if _digits(gpu.uuid) in uuids:
        return uuids.index(_digits(gpu.uuid))
    if count == 1 and os.environ.get(VISIBLE) == gpu.uuid:
        return 0  # some drivers report another UUID for a MIG instance; only this one is visible
    raise UnavailableError(
        f"{gpu.name} ({gpu.uuid}) is not among the {count} that PyTorch sees",
        f"set {VISIBLE} to its UUID, or take another: {_device_names(count)}",
    )


def _digits(uuid: str) -> str:
    """Return a UUID without the ``GPU-`` or ``MIG-`` that only NVML writes."""
    return uuid.lower().removeprefix("gpu-").removeprefix("mig-").replace("-", "")


def _without_gpus(word: str, gpu: Gpu | None) -> Chosen:
    if torch.version.cuda is None:
        why = f"PyTorch {torch.__version__} is built without CUDA"
        remedy = "install PyTorch for CUDA as https://pytorch.org/get-started says"
    else:
        driver = f"driver {gpu.driver}" if gpu and gpu.driver else "the driver"
        why = f"PyTorch {torch.__version__} for CUDA {torch.version.cuda} finds no GPU with {driver}"
        remedy = "update the driver, or install PyTorch for an older CUDA; see +stage=doctor"
    if word != "auto":
        named = f" ({gpu.name})" if gpu else ""
        raise UnavailableError(f"device={word}{named} cannot be used: {why}", f"set device=cpu, or {remedy}")
    if gpu is None:
        return Chosen(torch.device("cpu"))
    doubt = f"{gpu.name} is present, but PyTorch cannot use it and the CPU is used: {why}; {remedy}"
    return Chosen(torch.device("cpu"), doubt=f"{doubt}; set device=cpu to silence this warning")


def _device_names(count: int) -> str:
    return ", ".join(f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(count))
