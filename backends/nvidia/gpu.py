"""Choose a GPU by ``device=`` and find its number in CUDA.

``cuda:N`` counts GPUs in the order of the PCI bus, among those that ``CUDA_VISIBLE_DEVICES`` allows; each MIG instance
counts as one. CUDA may number them differently, so a GPU is identified by its UUID.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
from collections.abc import Sequence
from itertools import takewhile
from types import ModuleType

from backends.nvidia.facts import Driver
from backends.nvidia.nvml import Gpu, NvmlError, query_nvml
from backends.system.host import Host
from core.errors import HooklineError, UnavailableError, counted

VISIBLE = "CUDA_VISIBLE_DEVICES"
_CUDA_NOT_INITIALIZED = 3
_original: dict[str, str | None] = {}
"""``CUDA_VISIBLE_DEVICES`` before :func:`prepare_environment` set it: ``cuda:N`` still counts by this value."""
_auto: list[str] = []
"""UUID of the GPU that ``auto`` chose in this process. Later calls return it, although its memory is in use by then."""


def choose(device: str) -> Gpu:
    """Return the GPU for ``device``: for ``auto`` and ``cuda`` the one with the most free memory, else ``cuda:N``.

    Raises:
        UnavailableError: No GPU can be used.
        HooklineError: There is no such GPU.
    """
    if device == "cpu":
        raise HooklineError(
            "device=cpu cannot be used: this part runs on NVIDIA GPUs only", "set device=auto or cuda:0"
        )
    if device in {"auto", "cuda"}:
        found = gpus()
        freest = max(found, key=lambda gpu: gpu.free)
        chosen = next((gpu for gpu in found if gpu.uuid and gpu.uuid in _auto), freest)
        _auto[:] = [chosen.uuid]
        return chosen
    found = _visible_gpus(_original.get(VISIBLE, os.environ.get(VISIBLE)))
    number = int(device.partition(":")[2])
    if number >= len(found):
        raise HooklineError(f"there is no GPU {number} for device={device}", f"possible: auto, {device_names(found)}")
    return found[number]


def gpus() -> tuple[Gpu, ...]:
    """Return the GPUs that this process may use, in the order of ``cuda:N``.

    Raises:
        UnavailableError: There is no driver, NVML fails, or no GPU is visible.
    """
    return _visible_gpus(os.environ.get(VISIBLE))


@functools.cache  # NVML takes seconds to wake GPUs that no process holds open
def _visible_gpus(value: str | None) -> tuple[Gpu, ...]:
    found = installed_gpus()
    seen = found if value is None else visible(found, value)
    if not seen:
        why = "no GPU that NVML lists responds" if value is None else f"{VISIBLE}={value} hides all {len(found)} GPUs"
        raise UnavailableError(
            f"no GPU can be used: {why}", f"run +stage=doctor{f', or unset {VISIBLE}' if value is not None else ''}"
        )
    return tuple(seen)


def installed_gpus() -> list[Gpu]:
    """Return the GPUs that work, whatever ``CUDA_VISIBLE_DEVICES`` says.

    Raises:
        UnavailableError: There is no driver, or NVML fails.
    """
    try:
        return [gpu for gpu in query_nvml() if not gpu.problem]
    except NvmlError:
        if name := Driver(Host()).integrated_gpu:
            return [Gpu("", name, "", 0, 0, "")]
        raise


def visible(found: Sequence[Gpu], value: str) -> list[Gpu]:
    """Return the GPUs that ``CUDA_VISIBLE_DEVICES=value`` allows, in its order.

    As in CUDA the list ends at the first entry that names no GPU, and is empty where a GPU is named twice.
    """
    seen = list(takewhile(bool, (find_named(found, entry.strip()) for entry in value.split(","))))
    return [gpu for gpu in seen if gpu] if len(set(seen)) == len(seen) else []


def find_named(found: Sequence[Gpu], entry: str) -> Gpu | None:
    """Return the GPU that an entry names by number or the start of a UUID; for a GPU in MIG mode its first instance."""
    if entry.isdecimal():
        return next((gpu for gpu in found if gpu.number == int(entry)), None)
    by_uuid: dict[str, Gpu] = {}
    for gpu in found:
        for uuid in filter(None, (gpu.uuid, gpu.parent)):
            by_uuid.setdefault(uuid.lower(), gpu)
    matching = {gpu for uuid, gpu in by_uuid.items() if entry and uuid.startswith(entry.lower())}
    return by_uuid.get(entry.lower()) or (matching.pop() if len(matching) == 1 else None)


def device_names(found: Sequence[Gpu]) -> str:
    """Return the values of ``device``: ``cuda:0 (NVIDIA L4), cuda:1 (NVIDIA A10)``."""
    return ", ".join(f"cuda:{number} ({gpu.name})" for number, gpu in enumerate(found))


def prepare_environment(gpu: Gpu) -> None:
    """Set ``CUDA_VISIBLE_DEVICES`` to the chosen GPU where MIG is enabled on any. Call it before CUDA starts.

    Before driver 570 CUDA shows a process a single MIG instance, and no whole GPU next to it.
    """
    if gpu.uuid and gpu.mig_enabled and not _cuda_started():
        _original.setdefault(VISIBLE, os.environ.get(VISIBLE))
        os.environ[VISIBLE] = gpu.uuid


def _cuda_started() -> bool:
    """Return whether CUDA has started in this process; from then on it ignores changes of the environment."""
    try:
        driver = ctypes.CDLL("libcuda.so.1", mode=os.RTLD_NOLOAD)
    except OSError:
        return False
    return bool(driver.cuDeviceGetCount(ctypes.byref(ctypes.c_int())) != _CUDA_NOT_INITIALIZED)


def chosen_number(device: str) -> int:
    """Return CUDA's number of the GPU that ``device=`` chooses.

    Raises:
        HooklineError: There is no such GPU, or CuPy cannot use it.
    """
    return cuda_number(choose(device))


def cuda_number(gpu: Gpu) -> int:
    """Start CUDA and return its number of a GPU.

    Raises:
        UnavailableError: CuPy is not installed, or CUDA does not see the GPU.
    """
    from cuda_plugins import loading

    prepare_environment(gpu)
    return ordinal(gpu, loading.import_cupy().cuda.runtime)


def ordinal(gpu: Gpu, runtime: ModuleType) -> int:
    """Return the number of a GPU in ``runtime``, which is ``cupy.cuda.runtime``.

    Raises:
        UnavailableError: CUDA does not see the GPU.
    """
    count = runtime.getDeviceCount()
    if not gpu.uuid:
        return 0
    numbers = [number for number in range(count) if is_uuid(gpu.uuid, runtime.getDeviceProperties(number)["uuid"])]
    if len(numbers) == 1:
        return numbers[0]
    # some drivers and boards have another UUID in CUDA; the single device is this GPU where there is no other
    if count == 1 and (os.environ.get(VISIBLE) == gpu.uuid or [item.uuid for item in installed_gpus()] == [gpu.uuid]):
        return 0
    problem = f"is not one of the {count} that CUDA sees"
    if numbers:
        problem = f"cannot be distinguished from {counted(len(numbers) - 1, 'other GPU')} by CuPy"
    remedy = f"set {VISIBLE} to its UUID" + ("" if gpu.mig_enabled else ", or CUDA_DEVICE_ORDER=PCI_BUS_ID")
    raise UnavailableError(f"{gpu.name} ({gpu.uuid}) {problem}", f"{remedy}, and start again")


def is_uuid(uuid: str, content: bytes) -> bool:
    """Return whether ``content`` is a UUID as CuPy returns it: sixteen bytes, cut at the first zero."""
    read = content[:16].partition(b"\0")[0].hex()
    known = re.sub("^(GPU|MIG)-", "", uuid).replace("-", "").lower()
    return known == read or known.startswith(f"{read}00")
