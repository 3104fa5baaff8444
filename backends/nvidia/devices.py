"""Which GPU to use: by NVML, without a CUDA context on any, and by UUID, since CUDA counts in an order of its own.

``cuda:N`` counts as CUDA does with ``CUDA_DEVICE_ORDER=PCI_BUS_ID``, among those that ``CUDA_VISIBLE_DEVICES`` leaves.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends.nvidia.driver import driver_problem
from backends.nvidia.facts import driver_facts
from backends.nvidia.nvml import ask_nvml, trouble
from backends.system.here import Here
from core.errors import HooklineError, UnavailableError

VISIBLE = "CUDA_VISIBLE_DEVICES"
LAZY = "CUDA_MODULE_LOADING"
CLOSER = "+stage=doctor backend=tensorrt looks closer"


@dataclass(frozen=True)
class Gpu:
    """A GPU, or an instance of one.

    Attributes:
        uuid: ``GPU-...``, or ``MIG-...`` of an instance; empty where NVML does not tell, as on some Jetsons.
        name: E.g. ``NVIDIA L4``.
        capability: Compute capability, e.g. ``8.9``.
        total, free: Bytes of its memory; those of the whole GPU for an instance. 0 where NVML does not tell.
        driver: Version of the driver; empty where NVML does not tell.
    """

    uuid: str
    name: str
    capability: str
    total: int
    free: int
    driver: str


def gpus(here: Here | None = None) -> tuple[Gpu, ...]:
    """The GPUs that this process may use, in the order in which ``cuda:N`` counts them.

    Raises:
        UnavailableError: There is no driver, it refuses, or nothing is visible; says what to do.
    """
    here = here or Here()
    found = _listed(here)
    value = here.environment.get(VISIBLE)
    seen = found if value is None else visible(found, value)
    if not seen:
        why = "none that NVML lists answers" if value is None else f"{VISIBLE}={value} leaves none of {len(found)}"
        raise UnavailableError(f"no GPU can be used: {why}", "correct it, or see +stage=doctor")
    return tuple(seen)


def choose(device: str, here: Here | None = None) -> Gpu:
    """The GPU for ``device``: the one with the most free memory for ``auto`` and ``cuda``, or ``cuda:N``.

    Raises:
        UnavailableError: None can be used.
        HooklineError: There is no such one.
    """
    if device == "cpu":
        raise HooklineError("device=cpu was asked for, and this runs on NVIDIA GPUs only", "set device=auto or cuda:0")
    found = gpus(here)
    if device in {"auto", "cuda"}:
        return max(found, key=lambda gpu: gpu.free)  # the first of several
    number = int(device.partition(":")[2])
    if number >= len(found):
        listed = ", ".join(f"cuda:{index} ({gpu.name})" for index, gpu in enumerate(found))
        raise HooklineError(f"there is no GPU {number} for device={device}", f"possible: auto, {listed}")
    return found[number]


def ordinal(gpu: Gpu, runtime: Any) -> int:
    """The number by which the CUDA runtime knows a GPU in this process. Opens no context.

    Args:
        gpu: The chosen one.
        runtime: ``cupy.cuda.runtime``.

    Raises:
        UnavailableError: CUDA does not see it.
    """
    count = runtime.getDeviceCount()
    if not gpu.uuid:
        return 0
    numbers = [number for number in range(count) if is_uuid(gpu.uuid, runtime.getDeviceProperties(number)["uuid"])]
    if len(numbers) == 1:
        return numbers[0]
    if gpu.uuid.startswith("MIG-") and count == 1:
        return 0  # a process sees one instance at most; drivers differ in the UUID that they give for it
    trouble = f"cannot be told from {len(numbers) - 1} other(s) by CuPy" if numbers else f"is not among CUDA's {count}"
    raise UnavailableError(
        f"{gpu.name} ({gpu.uuid}) {trouble}", f"set {VISIBLE} to its UUID, or CUDA_DEVICE_ORDER=PCI_BUS_ID"
    )


def is_uuid(uuid: str, content: bytes) -> bool:
    """Whether ``content`` is the UUID of a device as CuPy gives it.

    CuPy reads the sixteen bytes as a C string, which ends at their first zero, or behind them where there is none.
    """
    told = content[:16].partition(b"\0")[0].hex()
    known = uuid.partition("-")[2].replace("-", "").lower()
    return known == told or known.startswith(f"{told}00")


def load_lazily() -> None:
    """Let CUDA load kernels when they are first used; to be called before CUDA starts. What is set already stays."""
    os.environ.setdefault(LAZY, "LAZY")


def visible(found: Sequence[Gpu], value: str) -> list[Gpu]:
    """Those that ``CUDA_VISIBLE_DEVICES=value`` leaves, in its order.

    Numbers, UUIDs and beginnings of UUIDs count; as in CUDA the list ends at the first entry that names no GPU.
    """
    seen: list[Gpu] = []
    for entry in (part.strip() for part in value.split(",")):
        gpu = _named(found, entry)
        if gpu is None or gpu in seen:
            break
        seen.append(gpu)
    return seen


def _named(found: Sequence[Gpu], entry: str) -> Gpu | None:
    if entry.isdecimal():
        return found[int(entry)] if int(entry) < len(found) else None
    matching = [gpu for gpu in found if entry and gpu.uuid.lower().startswith(entry.lower())]
    return matching[0] if len(matching) == 1 else None


def _listed(here: Here) -> list[Gpu]:
    facts = driver_facts(here)
    if problem := driver_problem(here):
        raise UnavailableError(f"no GPU can be used: {problem.found}", f"{problem.remedy}; {CLOSER}")
    said, error = ask_nvml(here)
    if error and facts.shared:  # NVML is not on every Jetson, which has one GPU
        return [Gpu("", facts.jetson or "the GPU of Windows", "", 0, 0, "")]
    if problem := trouble(here, said, error):
        raise UnavailableError(f"no GPU can be used: {problem.found}", f"{problem.remedy}; {CLOSER}")
    return [gpu for entry in said["gpus"] if "lost" not in entry for gpu in _instances(entry, said["driver"])]


def _instances(entry: Mapping[str, Any], driver: str) -> list[Gpu]:
    """A GPU, or the instances that it is divided into."""
    uuids = [entry["uuid"]] if entry["mig"] is None else entry["mig"]
    facts = {key: entry[key] for key in ("name", "capability", "total", "free")}
    return [Gpu(uuid=uuid, driver=driver, **facts) for uuid in uuids]
