"""Environment variables by which CUDA sees fewer GPUs, or starts slowly."""

from __future__ import annotations

from collections.abc import Iterator

from backends.nvidia.facts import WITH_GPUS, Driver, driver_facts
from backends.system.here import Here
from core.checks import Asked, Finding, broken, doubtful, fine

VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_devices(asked: Asked, here: Here | None = None) -> Iterator[Finding]:
    """Whether the GPUs that CUDA may see are there, and the one that ``device=`` names among them."""
    here = here or Here()
    facts = driver_facts(here)
    if not facts.there:
        return
    yield from _of_container(here)
    value = here.environment.get(VISIBLE)
    entries = None if value is None else [entry.strip() for entry in value.split(",") if entry.strip()]
    problem = None if entries is None else _problem(value or "", entries, facts)
    if problem:
        yield problem
        return
    count = len(facts.gpus) if entries is None else len(entries)
    if count and _number(asked.device) >= count:
        found = f"device={asked.device}, and CUDA may see {count}" + (f" ({VISIBLE}={value})" if value else "")
        yield broken(
            "visible GPUs", found, f"device=cuda:0 to cuda:{count - 1}, or device=auto for the one with most room"
        )
    elif value is None:
        yield fine("visible GPUs", f"all: {VISIBLE} is not set")
    else:
        yield fine("visible GPUs", f"{VISIBLE}={value}", value=value)


def module_loading(_asked: Asked, here: Here | None = None) -> Iterator[Finding]:
    """Lazy loading of kernels, and switches for debugging that were left on."""
    here = here or Here()
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


def _of_container(here: Here) -> Iterator[Finding]:
    value = here.environment.get("NVIDIA_VISIBLE_DEVICES")
    if value in {"void", "none"}:
        yield broken("visible GPUs", f"NVIDIA_VISIBLE_DEVICES={value} keeps the GPUs out of this container", WITH_GPUS)
    capabilities = here.environment.get("NVIDIA_DRIVER_CAPABILITIES")
    if capabilities and not {"all", "compute"} & set(capabilities.split(",")):
        yield broken(
            "driver in container",
            f"NVIDIA_DRIVER_CAPABILITIES={capabilities} leaves CUDA out",
            "docker run -e NVIDIA_DRIVER_CAPABILITIES=compute,utility,video",
        )


def _problem(value: str, entries: list[str], facts: Driver) -> Finding | None:
    """What CUDA does not tell: at the first entry that it does not know it stops, without a word."""
    subject, unset = "visible GPUs", f"unset {VISIBLE}, or name GPUs as nvidia-smi -L lists them"
    if not entries or entries[0] == "-1":
        return broken(subject, f"{VISIBLE}='{value}' hides every GPU", unset)
    if len(set(entries)) < len(entries):
        return broken(subject, f"{VISIBLE}={value} names a GPU twice: CUDA then shows none", unset)
    wrong = next((entry for entry in entries if not _known(entry, facts)), None)
    if wrong is None:
        return None
    found = f"{VISIBLE}={value}: '{wrong}' is none of the {len(facts.gpus)} GPUs here, it and all after it are hidden"
    return broken(subject, found, unset)


def _known(entry: str, facts: Driver) -> bool:
    """UUIDs may be shortened as long as they tell; MIG devices and boards without a list are taken as they are."""
    if entry.startswith("MIG-") or not facts.gpus:
        return True
    if entry.isdecimal():
        return int(entry) < len(facts.gpus)
    return sum(uuid.lower().startswith(entry.lower()) for uuid in facts.gpus) == 1


def _number(device: str) -> int:
    kind, _, number = device.partition(":")
    return int(number) if kind == "cuda" and number.isdecimal() else 0
