"""The PyTorch device of ``device=``: a GPU found by its UUID, or the CPU with the reason."""

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
class TorchDevice:
    """A PyTorch device.

    Attributes:
        device: The device; ``cuda`` without an index in distributed training, where each process has its own GPU.
        description: Index and name of the GPU; empty on a CPU and in distributed training.
        warning: Why PyTorch uses the CPU although a GPU is present, and the remedy; empty otherwise.
    """

    device: torch.device
    description: str = ""
    warning: str = ""


def choose_device(device: str) -> TorchDevice:
    """Return the device of ``device=``; ``auto`` is the GPU with the most free memory, or the CPU.

    NVML numbers GPUs in the order of the PCI bus, CUDA in the order of its settings, so a GPU is found by its UUID.

    Raises:
        UnavailableError: The device does not exist or cannot be used.
    """
    if device == "cpu":
        return TorchDevice(torch.device("cpu"))
    distributed = ":" not in device and RANKS.world > 1
    gpu = _by_nvml(device)
    if gpu and not distributed:
        nvidia_gpu.prepare_environment(gpu)
    count = _count()
    if not count:
        return _without_gpus(device, gpu)
    if distributed:
        return TorchDevice(torch.device("cuda"))
    index = _index_of(gpu, count, device)
    if index >= count:
        raise UnavailableError(
            f"there is no GPU {index} for device={device}: PyTorch sees {count}",
            f"possible: auto, {_device_names(count)}",
        )
    return TorchDevice(torch.device("cuda", index), f"cuda:{index} ({torch.cuda.get_device_name(index)})")


def _count() -> int:
    """Return the number of GPUs that PyTorch can use, without its warning of several lines; ours replaces it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _by_nvml(device: str) -> Gpu | None:
    """Return the GPU that NVML reports; None without NVML, e.g. with GPUs of another vendor."""
    try:
        return nvidia_gpu.choose(device)
    except HooklineError:
        return None


def _index_of(gpu: Gpu | None, count: int, device: str) -> int:
    """Return the index of a GPU in PyTorch, by UUID; the index in ``device`` if UUIDs are not available.

    Raises:
        UnavailableError: PyTorch does not see the GPU.
    """
    uuids = [_digits(str(getattr(torch.cuda.get_device_properties(index), "uuid", ""))) for index in range(count)]
    if gpu is None or not gpu.uuid or not all(uuids):
        return int(device.partition(":")[2] or 0)
    if _digits(gpu.uuid) in uuids:
        return uuids.index(_digits(gpu.uuid))
    if count == 1 and os.environ.get(VISIBLE) == gpu.uuid:
        return 0  # drivers report the UUID of a MIG instance differently; it is the only one that CUDA may use
    raise UnavailableError(
        f"{gpu.name} ({gpu.uuid}) is not among the {count} that PyTorch sees",
        f"set {VISIBLE} to its UUID, or use another: {_device_names(count)}",
    )


def _digits(uuid: str) -> str:
    """Return the digits of a UUID without the prefix ``GPU-`` or ``MIG-``, which PyTorch does not have."""
    return uuid.lower().removeprefix("gpu-").removeprefix("mig-").replace("-", "")


def _without_gpus(device: str, gpu: Gpu | None) -> TorchDevice:
    if torch.version.cuda is None:
        why = f"PyTorch {torch.__version__} is built without CUDA"
        remedy = "install PyTorch for CUDA (https://pytorch.org/get-started)"
    else:
        driver = f"driver {gpu.driver}" if gpu and gpu.driver else "the driver"
        why = f"PyTorch {torch.__version__} for CUDA {torch.version.cuda} finds no GPU with {driver}"
        remedy = "update the driver, or install PyTorch for an older CUDA; +stage=doctor reports more"
    if device != "auto":
        named = f" ({gpu.name})" if gpu else ""
        raise UnavailableError(f"device={device}{named} cannot be used: {why}", f"set device=cpu, or {remedy}")
    if gpu is None:
        return TorchDevice(torch.device("cpu"))
    warning = f"{gpu.name} is present but PyTorch cannot use it: {why}; {remedy}. Set device=cpu to silence this"
    return TorchDevice(torch.device("cpu"), warning=warning)


def _device_names(count: int) -> str:
    return ", ".join(f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(count))
