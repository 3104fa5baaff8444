"""Which GPU to use: by NVML, without a CUDA context on any, and by UUID, since CUDA counts in an order of its own.

``cuda:N`` counts as CUDA does with ``CUDA_DEVICE_ORDER=PCI_BUS_ID``, among those that ``CUDA_VISIBLE_DEVICES`` leaves;
each instance of a GPU that MIG divides counts as one. Before driver 570 CUDA shows a process one instance only, and no
whole GPU beside it, so :func:`prepare_environment` names the chosen one to it.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING

from backends.nvidia import started
from backends.nvidia.driver import problem_of
from backends.nvidia.facts import Driver, driver_facts
from backends.nvidia.nvml import NO_PERMISSION, ask_nvml, trouble
from backends.nvidia.visible_devices import VISIBLE, entries
from backends.system.host import Host
from core.errors import HooklineError, UnavailableError

if TYPE_CHECKING:
    from backends.nvidia.nvml_worker import DeviceFacts, ListedGpu

LAZY = "CUDA_MODULE_LOADING"
CLOSER = "see +stage=doctor"
_given: dict[str, str | None] = {}
"""What ``CUDA_VISIBLE_DEVICES`` was before :func:`prepare_environment` set it: ``cuda:N`` goes on counting by it."""


@dataclass(frozen=True)
class Gpu:
    """A GPU, or an instance of one.

    Attributes:
        uuid: ``GPU-...``, or ``MIG-...`` of an instance; empty where NVML does not tell, as on some Jetsons.
        name: E.g. ``NVIDIA L4``; that of an instance ends with its profile, ``NVIDIA A100-SXM4-40GB MIG 3g.20gb``.
        capability: Compute capability, e.g. ``8.9``; empty where NVML does not tell.
        total, free: Bytes of its memory, of an instance its own; 0 where NVML does not tell.
        driver: Version of the driver; empty where NVML does not tell.
        number: As nvidia-smi counts GPUs; the instances of one have the same.
        parent: UUID of the GPU that it is an instance of; empty for a whole GPU.
        place: Numbers of GPU instance and compute instance, e.g. ``1/0``; empty for a whole GPU.
        beside_mig: MIG divides a GPU of this machine, so CUDA may not show this one unless it is named.
    """

    uuid: str
    name: str
    capability: str
    total: int
    free: int
    driver: str
    number: int = 0
    parent: str = ""
    place: str = ""
    beside_mig: bool = False


def gpus(here: Host | None = None) -> tuple[Gpu, ...]:
    """The GPUs that this process may use, in the order in which ``cuda:N`` counts them.

    Raises:
        UnavailableError: There is no driver, it refuses, or nothing is visible; says what to do.
    """
    if here is None:
        return _seen(os.environ.get(VISIBLE))
    return _left(here, here.environment.get(VISIBLE))


def _left(here: Host, value: str | None) -> tuple[Gpu, ...]:
    """The GPUs of a machine that ``CUDA_VISIBLE_DEVICES=value`` leaves; None where it is not set."""
    found = listed(here)
    seen = found if value is None else visible(found, value)
    if not seen:
        why = "none that NVML lists answers" if value is None else f"{VISIBLE}={value} leaves none of {len(found)}"
        raise UnavailableError(f"no GPU can be used: {why}", "correct it, or see +stage=doctor")
    return tuple(seen)


@functools.cache
def _seen(value: str | None) -> tuple[Gpu, ...]:
    """Those of this machine, asked for once: where no process holds a GPU, NVML takes seconds to wake it."""
    return _left(Host(), value)


def choose(device: str, here: Host | None = None) -> Gpu:
    """The GPU for ``device``: the one with the most free memory for ``auto`` and ``cuda``, or ``cuda:N``.

    What ``auto`` took once it takes as long as the process lives: what the process itself has on a GPU must not drive
    it to another, where engines may not fit, nor the jobs of a sweep to several.

    Raises:
        UnavailableError: None can be used.
        HooklineError: There is no such one.
    """
    if device == "cpu":
        raise HooklineError("device=cpu was asked for, and this runs on NVIDIA GPUs only", "set device=auto or cuda:0")
    if device in {"auto", "cuda"}:
        return _freest(gpus(here), _taken if here is None else [])
    value = _as_given(os.environ if here is None else here.environment)
    found = _seen(value) if here is None else _left(here, value)
    number = int(device.partition(":")[2])
    if number >= len(found):
        raise HooklineError(f"there is no GPU {number} for device={device}", f"possible: auto, {in_words(found)}")
    return found[number]


_taken: list[str] = []
"""UUID of the GPU that ``auto`` took in this process."""


def _freest(found: Sequence[Gpu], taken: list[str]) -> Gpu:
    for gpu in found:
        if gpu.uuid and gpu.uuid in taken:
            return gpu
    freest = max(found, key=lambda gpu: gpu.free)  # the first of several
    taken[:] = [freest.uuid]
    return freest


def in_words(found: Sequence[Gpu]) -> str:
    """What ``device`` may be, with the names: ``cuda:0 (NVIDIA L4), cuda:1 (NVIDIA A10)``."""
    return ", ".join(f"cuda:{number} ({gpu.name})" for number, gpu in enumerate(found))


def prepare_environment(gpu: Gpu) -> None:
    """Name a chosen GPU to CUDA where MIG divides one; to be called before anything starts CUDA in this process.

    Sets ``CUDA_VISIBLE_DEVICES`` to its UUID. Does nothing where there is no MIG, or CUDA has started: it has read the
    variable then, and :func:`ordinal` refuses what it does not show. From then on ``auto`` means this GPU.
    """
    if gpu.uuid and gpu.beside_mig and not started.has_started():
        _given.setdefault(VISIBLE, os.environ.get(VISIBLE))
        os.environ[VISIBLE] = gpu.uuid


def ordinal(gpu: Gpu, runtime: ModuleType, here: Host | None = None) -> int:
    """The number by which the CUDA runtime knows a GPU in this process. Opens no context.

    Args:
        gpu: The chosen one, after :func:`prepare_environment`.
        runtime: ``cupy.cuda.runtime``.
        here: The machine.

    Raises:
        UnavailableError: CUDA does not see it.
    """
    count = runtime.getDeviceCount()
    if not gpu.uuid:
        return 0
    numbers = [number for number in range(count) if is_uuid(gpu.uuid, runtime.getDeviceProperties(number)["uuid"])]
    if len(numbers) == 1:
        return numbers[0]
    if count == 1 and _can_only_be(gpu, here or Host()):
        return 0
    trouble = f"cannot be told from {len(numbers) - 1} other(s) by CuPy" if numbers else f"is not among CUDA's {count}"
    remedy = f"set {VISIBLE} to its UUID" + ("" if gpu.beside_mig else ", or CUDA_DEVICE_ORDER=PCI_BUS_ID")
    raise UnavailableError(f"{gpu.name} ({gpu.uuid}) {trouble}", f"{remedy}, and start anew")


def is_uuid(uuid: str, content: bytes) -> bool:
    """Whether ``content`` is the UUID of a device as CuPy gives it.

    CuPy reads the sixteen bytes as a C string, which ends at their first zero, or behind them where there is none.
    """
    told = content[:16].partition(b"\0")[0].hex()
    known = re.sub("^(GPU|MIG)-", "", uuid).replace("-", "").lower()
    return known == told or known.startswith(f"{told}00")


def load_lazily() -> None:
    """Let CUDA load kernels when they are first used; to be called before CUDA starts. What is set already stays."""
    os.environ.setdefault(LAZY, "LAZY")


def visible(found: Sequence[Gpu], value: str) -> list[Gpu]:
    """Those that ``CUDA_VISIBLE_DEVICES=value`` leaves, in its order.

    Numbers count whole GPUs as nvidia-smi does. UUIDs and beginnings of UUIDs count too; a GPU that is divided stands
    for its first instance. As in CUDA the list ends at the first entry that names no GPU, and is empty where one is
    named twice.
    """
    seen: list[Gpu] = []
    for entry in entries(value):
        gpu = named(found, entry)
        if gpu is None:
            break
        if gpu in seen:
            return []
        seen.append(gpu)
    return seen


def named(found: Sequence[Gpu], entry: str) -> Gpu | None:
    """What one entry of ``CUDA_VISIBLE_DEVICES`` names; None for nothing, or more than one GPU."""
    if entry.isdecimal():
        return next((gpu for gpu in found if gpu.number == int(entry)), None)
    by_name: dict[str, Gpu] = {}
    for gpu in found:
        before_470 = f"MIG-{gpu.parent}/{gpu.place}" if gpu.parent else ""
        for name in filter(None, (gpu.uuid, gpu.parent, before_470)):
            by_name.setdefault(name.lower(), gpu)
    if entry.lower() in by_name:
        return by_name[entry.lower()]
    matching = {gpu for name, gpu in by_name.items() if entry and name.startswith(entry.lower())}
    return matching.pop() if len(matching) == 1 else None


def listed(here: Host) -> list[Gpu]:
    """All GPUs of the machine that answer, and instances in place of those that are divided.

    Raises:
        UnavailableError: There is no driver, or it refuses; says what to do.
    """
    facts = driver_facts(here)
    if problem := problem_of(facts):
        raise UnavailableError(f"no GPU can be used: {problem.found}", f"{problem.remedy}; {CLOSER}")
    said, error = ask_nvml(here)
    if facts.shared and (error or "code" in said):
        return [_shared(facts)]
    if problem := trouble(here, said, error):
        raise UnavailableError(f"no GPU can be used: {problem.found}", f"{problem.remedy}; {CLOSER}")
    answering = [entry for entry in said["gpus"] if not _of_others(entry)]
    divided = any(entry.get("mig") is not None for entry in answering)
    return [
        replace(gpu, number=number, beside_mig=divided)
        for number, entry in enumerate(answering)
        if "lost" not in entry
        for gpu in _instances(entry, said["driver"])
    ]


def _shared(facts: Driver) -> Gpu:
    """The GPU of a Jetson, or the first one under WSL: NVML is not on every one of them."""
    return Gpu("", facts.jetson or "the GPU of Windows", "", 0, 0, "")


def _of_others(entry: ListedGpu) -> bool:
    """A GPU that this process may not use at all, as those of other jobs: CUDA does not count it."""
    return bool(entry.get("code") == NO_PERMISSION)


def _instances(entry: ListedGpu, driver: str) -> list[Gpu]:
    """A GPU, or the instances that it is divided into."""
    if entry["mig"] is None:
        return [_gpu(entry, entry, driver)]
    return [replace(_gpu(item, entry, driver), parent=entry["uuid"], place=item["place"]) for item in entry["mig"]]


def _gpu(item: DeviceFacts | ListedGpu, entry: ListedGpu, driver: str) -> Gpu:
    """``item`` is the GPU ``entry`` or an instance of it."""
    return Gpu(item["uuid"], item["name"], entry["capability"], item["total"], item["free"], driver)


def _can_only_be(gpu: Gpu, here: Host) -> bool:
    """Whether the one device that CUDA shows is this GPU, whatever UUID it gives: drivers differ in that, and boards.

    So it is where the variable names nothing else, or where there is nothing else.
    """
    if here.environment.get(VISIBLE) == gpu.uuid:
        return True
    try:
        return [item.uuid for item in listed(here)] == [gpu.uuid]
    except UnavailableError:
        return False


def _as_given(environment: Mapping[str, str]) -> str | None:
    """``CUDA_VISIBLE_DEVICES`` as it was before :func:`prepare_environment`; None where it was not set."""
    value = environment.get(VISIBLE)
    return _given.get(VISIBLE, value) if environment is os.environ else value
