"""The GPUs as NVML lists them, and what to do where NVML refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backends.nvidia.facts import ON_WINDOWS, Driver, driver_facts
from backends.system.disk import size
from backends.system.host import Host
from backends.system.libraries import find_libraries
from backends.system.native import is_late, run_python
from core.kinds.check import Finding, State, absent, broken, doubtful, fine

if TYPE_CHECKING:
    from backends.nvidia.nvml_worker import DeviceFacts, ListedGpu, Said

OLDEST = (7, 5)
"""Compute capability below which TensorRT 10 and the kernels are not made."""
NO_PERMISSION, NOT_LOADED, LOST, MISMATCH, UNKNOWN = 4, 9, 15, 18, 999
_WORKER = Path(__file__).with_name("nvml_worker.py")
_LEAST_FREE = 2**30
_AWAKE = (
    "run it again; sudo nvidia-smi -pm 1 or the service nvidia-persistenced keeps the GPUs awake, see dmesg otherwise"
)
"""What helps where NVML is slow: without persistence mode each GPU is woken first."""


def gpus(here: Host | None = None) -> Iterator[Finding]:
    """NVML and every GPU that it lists."""
    here = here or Host()
    facts = driver_facts(here)
    if not facts.there:
        return
    said, error = ask_nvml(here)
    if problem := trouble(here, said, error):
        yield problem
    else:
        yield fine("NVML", f"driver {said['driver']}, {len(said['gpus'])} listed", driver=said["driver"])
        yield from _enough([_gpu(f"GPU {number}", gpu) for number, gpu in enumerate(said["gpus"])])


def trouble(here: Host, said: Said, error: str) -> Finding | None:
    """Why what :func:`ask_nvml` gave lists no GPU, None where it does."""
    facts = driver_facts(here)
    if error:
        return _no_library(facts, error)
    if "code" in said:
        return _refused(facts, said)
    if not said["gpus"]:
        return broken("GPUs", f"NVML of driver {said['driver']} lists none", _none_remedy(facts))
    return None


def ask_nvml(here: Host) -> tuple[Said, str]:
    """What NVML says, and why it cannot be asked, empty where it can."""
    paths = find_libraries("libnvidia-ml.so*", here)
    if not paths:
        return {}, "libnvidia-ml.so.1 is nowhere"
    output, error = run_python(["-I", "-S", str(_WORKER), str(paths[0])])
    said: Said = {} if error else json.loads(output)
    if error or "error" in said:
        return {}, f"{paths[0]} cannot be asked: {error or said['error']}"
    return said, ""


def capabilities(here: Host) -> list[str]:
    """Compute capabilities of the GPUs, e.g. ``8.9``; empty where NVML does not tell."""
    said, _ = ask_nvml(here)
    return sorted({gpu["capability"] for gpu in said.get("gpus", []) if gpu.get("capability")})


def _enough(found: list[Finding]) -> list[Finding]:
    """One GPU that works is enough: what is wrong with others is then a warning, and those of other jobs are fine."""
    if not any(finding.state in {State.ok, State.warning} for finding in found):
        return found
    change = {State.error: State.warning, State.absent: State.ok}
    return [replace(item, state=change.get(item.state, item.state)) for item in found]


def _gpu(subject: str, gpu: ListedGpu) -> Finding:
    if "lost" in gpu:
        return _lost(subject, gpu)
    capability, mig = gpu["capability"], gpu["mig"]
    known = f"compute capability {capability}" if capability else "compute capability unknown"
    found = ", ".join(filter(None, (gpu["name"], known, memory(gpu), gpu["uuid"])))
    facts = {
        "name": gpu["name"],
        "uuid": gpu["uuid"],
        "capability": capability,
        "total": str(gpu["total"]),
        "free": str(gpu["free"]),
    }
    if capability and tuple(map(int, capability.split("."))) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return broken(subject, found, f"device=cpu, or a GPU of compute capability {oldest} or newer", **facts)
    if mig == []:
        remedy = "sudo nvidia-smi mig -cgi 0 -C makes an instance of all of it; sudo nvidia-smi -mig 0 switches MIG off"
        return broken(subject, f"{found}; MIG is on and has no instance: nothing can compute on it", remedy, **facts)
    if mig:
        instances = "; ".join(f"{item['name']}, {memory(item)}, {item['uuid']}" for item in mig)
        return fine(subject, f"{found}; MIG: {instances}", **facts)
    if gpu["total"] and gpu["free"] < _LEAST_FREE:
        return doubtful(
            subject, found, "end what else runs on it (nvidia-smi lists it), or device=cuda:N of another", **facts
        )
    return fine(subject, found, **facts)


def memory(gpu: DeviceFacts | ListedGpu) -> str:
    """Free and total memory in words."""
    return f"{size(gpu['free'])} of {size(gpu['total'])} free" if gpu["total"] else "memory unknown"


def _lost(subject: str, gpu: ListedGpu) -> Finding:
    if gpu["code"] == NO_PERMISSION:
        remedy = (
            "it may belong to another job or user: a scheduler gives GPUs; yours: sudo usermod -aG video,render $USER"
        )
        return absent(subject, f"this process may not use it: {gpu['lost']}", remedy)
    remedy = "look for Xid lines in dmesg; sudo nvidia-smi --gpu-reset, or restart the machine"
    return broken(subject, f"it does not answer: {gpu['lost']}", remedy)


def _no_library(facts: Driver, error: str) -> Finding:
    if is_late(error):
        return broken("NVML", error, _AWAKE)
    if facts.shared:
        return _without(facts, error)
    if facts.in_container:
        return broken("NVML", error, "docker run -e NVIDIA_DRIVER_CAPABILITIES=compute,utility: utility brings NVML")
    return broken("NVML", error, "reinstall NVIDIA's driver: NVML is a part of it")


def _without(facts: Driver, why: str) -> Finding:
    """NVML is not on every Jetson and does little under WSL: their one GPU is used without it."""
    remedy = ON_WINDOWS if facts.wsl else "update JetPack, which brings NVML since release 6"
    return doubtful("NVML", f"{why}; without it the first GPU is taken", remedy)


def _refused(facts: Driver, said: Said) -> Finding:
    code = said["code"]
    found = f"{said['call']}: {said['text'] or 'unknown'} (error {code})"
    if said["call"].startswith("nvmlInit"):
        found = f"Failed to initialize NVML: {said['text'] or 'unknown'} (error {code})"
    if facts.shared:
        return _without(facts, found)
    return broken(
        "NVML", found, _remedies(facts).get(code, "does nvidia-smi work? if not, reinstall the driver"), code=str(code)
    )


def _remedies(facts: Driver) -> dict[int, str]:
    """What to do, by error of NVML."""
    again = "restart the container" if facts.in_container else "restart the machine"
    lost = (
        "the container lost its devices (systemctl daemon-reload on the host does that): restart it; for good:"
        " --device=/dev/nvidia0 --device=/dev/nvidiactl --device=/dev/nvidia-uvm, CDI, or native.cgroupdriver=cgroupfs"
    )
    return {
        NO_PERMISSION: "sudo usermod -aG video,render $USER and log in again; may you read and write /dev/nvidia*?",
        NOT_LOADED: facts.with_gpus
        if facts.in_container
        else "sudo modprobe nvidia, or reinstall the driver and restart",
        LOST: f"look for Xid lines in dmesg; {again}; a GPU that is lost again is loose, hot or broken",
        MISMATCH: f"the driver was updated under a running kernel module: {again}",
        UNKNOWN: lost
        if facts.in_container
        else "is /dev/nvidia* there and permitted? sudo nvidia-modprobe -c 0 -u; restart",
    }


def _none_remedy(facts: Driver) -> str:
    if facts.in_container:
        return facts.with_gpus
    return ON_WINDOWS if facts.wsl else "is the GPU seated and powered? lspci | grep -i nvidia lists it"
