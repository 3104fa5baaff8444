"""Environment variables by which CUDA sees fewer GPUs, or starts slowly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backends.nvidia.devices import Gpu, in_words, listed, named, visible
from backends.nvidia.facts import driver_facts
from backends.nvidia.visible_devices import SUBJECT, UNSET, VISIBLE, entries, hidden
from backends.system.host import Host
from core.errors import UnavailableError
from core.kinds.check import Finding, Target, broken, doubtful, fine


def visible_devices(asked: Target, here: Host | None = None) -> Iterator[Finding]:
    """Whether the GPUs that CUDA may see are there, and the one that ``device=`` names among them."""
    here = here or Host()
    if not driver_facts(here).there:
        return
    yield from _of_container(here)
    value = here.environment.get(VISIBLE)
    if problem := hidden(here):
        yield problem
        return
    try:
        found = listed(here)
    except UnavailableError:
        return  # nvidia_driver and nvidia_gpus say why; there is nothing to compare with
    seen = found if value is None else visible(found, value)
    if value is not None and (problem := _problem(value, found, seen)):
        yield problem
        return
    if seen and _number(asked.device) >= len(seen):
        told = f" ({VISIBLE}={value})" if value else ""
        yield broken(
            "device", f"device={asked.device}, and CUDA may see {len(seen)}{told}", f"device=auto, {in_words(seen)}"
        )
    elif value is None:
        yield fine(SUBJECT, f"all: {VISIBLE} is not set")
    else:
        yield fine(SUBJECT, f"{VISIBLE}={value}: {in_words(seen)}", value=value)


def module_loading(here: Host | None = None) -> Iterator[Finding]:
    """Lazy loading of kernels, and switches for debugging that were left on."""
    here = here or Host()
    if not driver_facts(here).there:
        return
    value = here.environment.get("CUDA_MODULE_LOADING", "")
    if value.upper() == "LAZY":
        yield fine("lazy loading", "CUDA_MODULE_LOADING=LAZY")
    else:
        yield doubtful(
            "lazy loading",
            f"CUDA_MODULE_LOADING={value or 'not set'}: all kernels load at the start, slower and with more memory",
            "unset CUDA_MODULE_LOADING: hookline sets LAZY itself",
        )
    for name, harm in _LEFT_ON.items():
        if here.environment.get(name, "0") not in {"", "0"}:
            yield doubtful(name, f"is set to {here.environment[name]}: {harm}", f"unset {name}")


_LEFT_ON = {
    "CUDA_LAUNCH_BLOCKING": "every kernel is waited for, copies and kernels no longer overlap",
    "CUDA_FORCE_PTX_JIT": "every kernel is compiled anew",
}


def _of_container(here: Host) -> Iterator[Finding]:
    value = here.environment.get("NVIDIA_VISIBLE_DEVICES")
    if value in {"void", "none"} and not _has_gpu_files(here):
        found = f"NVIDIA_VISIBLE_DEVICES={value} keeps the GPUs out of this container"
        yield broken(SUBJECT, found, driver_facts(here).with_gpus)
    capabilities = here.environment.get("NVIDIA_DRIVER_CAPABILITIES")
    if capabilities and not {"all", "compute"} & set(capabilities.split(",")):
        yield broken(
            "driver in container",
            f"NVIDIA_DRIVER_CAPABILITIES={capabilities} leaves CUDA out",
            "docker run -e NVIDIA_DRIVER_CAPABILITIES=compute,utility,video",
        )


def _has_gpu_files(here: Host) -> bool:
    """Whether GPUs came in by another way: with CDI, NVIDIA's own files set ``void`` and bring them."""
    places = ("/dev/nvidiactl", "/dev/dxg", "/dev/nvgpu", "/dev/nvhost-gpu")
    return any(here.path(place).exists() for place in places)


def _problem(value: str, found: Sequence[Gpu], seen: Sequence[Gpu]) -> Finding | None:
    """What CUDA does not tell: at the first entry that it does not know it stops, without a word."""
    wanted = entries(value)
    if len(seen) == len(wanted):
        return None
    wrong = next((entry for entry in wanted if named(found, entry) is None), None)
    if not seen and named(found, wanted[0]):
        return broken(SUBJECT, f"{VISIBLE}={value} names a GPU twice: CUDA then shows none", UNSET)
    what = f"'{wrong}' is none of the {len(found)} GPUs here, it and all after it are hidden"
    return broken(SUBJECT, f"{VISIBLE}={value}: {what}", UNSET)


def _number(device: str) -> int:
    kind, _, number = device.partition(":")
    return int(number) if kind == "cuda" and number.isdecimal() else 0
