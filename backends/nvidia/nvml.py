"""List the GPUs that NVML reports, without opening a CUDA context."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TypeVar

from core.errors import UnavailableError
from core.process.time_limit import OverdueError, within

T = TypeVar("T")
LIMIT = 60.0
"""Seconds for the answer of NVML, which wakes GPUs that no process holds open."""
NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND, TIMEOUT, FUNCTION_NOT_FOUND = 3, 4, 6, 10, 13
UNREPORTED = {NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND, FUNCTION_NOT_FOUND}


@dataclass(frozen=True)
class Gpu:
    """A GPU or a MIG instance. A text is empty and a number 0 where NVML does not report it, as on some Jetsons.

    Attributes:
        uuid: ``GPU-...``, or ``MIG-...`` for an instance.
        name: E.g. ``NVIDIA L4``; an instance adds its profile, ``NVIDIA A100-SXM4-40GB MIG 3g.20gb``.
        capability: Compute capability, e.g. ``8.9``.
        total, free: Memory in bytes.
        driver: Version of the driver.
        number: Index in nvidia-smi; the instances of a GPU share it.
        parent: UUID of the GPU that an instance belongs to.
        mig_enabled: MIG is enabled on a GPU of this machine, so CUDA may hide this one until it is named.
        problem: Why it cannot be used.
    """

    uuid: str
    name: str
    capability: str
    total: int
    free: int
    driver: str
    number: int = 0
    parent: str = ""
    mig_enabled: bool = False
    problem: str = ""


class NvmlError(UnavailableError):
    """NVML is missing, fails or does not answer; ``code`` is its ``nvmlReturn_t``."""

    def __init__(self, reason: str, code: int) -> None:
        self.found, self.code = f"Failed to initialize NVML: {reason}", code
        remedy = "install NVIDIA's driver, or start the container with --gpus all; see +stage=doctor"
        super().__init__(f"no GPU can be used: NVML: {reason.removeprefix('NVML ')}", remedy)


def query_nvml() -> list[Gpu]:
    """Return all GPUs, those that do not work included, with MIG instances in place of the GPU that they divide.

    GPUs that belong to other jobs are left out: CUDA does not count them either.

    Raises:
        NvmlError: There is no driver, or NVML fails or does not answer.
        UnavailableError: The package nvidia-ml-py is not installed.
    """
    try:
        import pynvml as nvml
    except ImportError as error:
        raise UnavailableError(f"no GPU can be used: {error}", "pip install nvidia-ml-py") from error
    try:
        found = within(LIMIT, lambda: _query_gpus(nvml))
    except nvml.NVMLError as error:
        raise NvmlError(str(error).rstrip("."), error.value) from error
    except OverdueError as error:
        raise NvmlError(f"no answer within {LIMIT:g} s", TIMEOUT) from error
    mig_enabled = any(gpu.mig_enabled for gpu in found)
    return [replace(gpu, mig_enabled=mig_enabled) for gpu in found]


def _query_gpus(nvml: ModuleType) -> list[Gpu]:
    nvml.nvmlInit()
    driver = nvml.nvmlSystemGetDriverVersion()
    permitted = filter(None, [_query_gpu(nvml, index, driver) for index in range(nvml.nvmlDeviceGetCount())])
    found = [replace(gpu, number=number) for number, gpus in enumerate(permitted) for gpu in gpus]
    nvml.nvmlShutdown()
    return found


def _query_gpu(nvml: ModuleType, index: int, driver: str) -> list[Gpu]:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        whole = _describe(nvml, handle, driver)
        enabled, _after_reset = _optional(nvml, (0, 0), nvml.nvmlDeviceGetMigMode, handle)
        if not enabled:
            return [whole]
        places = range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle))
        handles = [_optional(nvml, None, nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place) for place in places]
        instances = [_describe(nvml, instance, driver) for instance in handles if instance]
    except nvml.NVMLError as error:
        return [] if error.value == NO_PERMISSION else [Gpu("", "", "", 0, 0, driver, problem=str(error))]
    if not instances:
        return [replace(whole, mig_enabled=True, problem="MIG is enabled and has no instance")]
    capability, parent = whole.capability, whole.uuid
    return [replace(instance, capability=capability, parent=parent, mig_enabled=True) for instance in instances]


def _describe(nvml: ModuleType, handle: object, driver: str) -> Gpu:
    memory = _optional(nvml, None, nvml.nvmlDeviceGetMemoryInfo, handle)  # integrated GPUs use host memory
    capability = _optional(nvml, (), nvml.nvmlDeviceGetCudaComputeCapability, handle)
    uuid, name = _optional(nvml, "", nvml.nvmlDeviceGetUUID, handle), nvml.nvmlDeviceGetName(handle)
    total, free = (memory.total, memory.free) if memory else (0, 0)
    return Gpu(uuid, name, ".".join(map(str, capability)), total, free, driver)


def _optional(nvml: ModuleType, default: T, function: Callable[..., T], *arguments: object) -> T:
    """Return what NVML reports, or ``default`` where a GPU that works does not report it.

    A container that has a MIG instance may not query the GPU that the instance belongs to.
    """
    try:
        return function(*arguments)
    except nvml.NVMLError as error:
        if error.value in UNREPORTED:
            return default
        raise
