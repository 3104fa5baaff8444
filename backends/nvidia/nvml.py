"""The GPUs as NVML lists them, and what to do where NVML refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from backends.nvidia.facts import WITH_GPUS, Driver, driver_facts
from backends.system.here import Here
from backends.system.libraries import find_libraries
from backends.system.native import run_python
from backends.system.room import size
from core.checks import Asked, Finding, State, absent, broken, doubtful, fine

OLDEST = (7, 5)
"""Compute capability below which TensorRT 10 and the kernels are not made."""
NO_PERMISSION, NOT_LOADED, LOST, MISMATCH, UNKNOWN = 4, 9, 15, 18, 999
_WORKER = Path(__file__).with_name("nvml_worker.py")
_LEAST_FREE = 2**30


def gpus(_asked: Asked, here: Here | None = None) -> Iterator[Finding]:
    """NVML and every GPU that it lists."""
    here = here or Here()
    facts = driver_facts(here)
    if not facts.there:
        return
    said, error = ask_nvml(here)
    if problem := trouble(here, said, error):
        yield problem
    else:
        yield fine("NVML", f"driver {said['driver']}, {len(said['gpus'])} listed", driver=said["driver"])
        yield from _enough([_gpu(f"GPU {index}", gpu) for index, gpu in enumerate(said["gpus"])])


def trouble(here: Here, said: Mapping[str, Any], error: str) -> Finding | None:
    """Why what :func:`ask_nvml` gave lists no GPU, None where it does."""
    facts = driver_facts(here)
    if error:
        return _no_library(facts, error)
    if "code" in said:
        return _refused(facts, said)
    if not said["gpus"]:
        return broken("GPUs", f"NVML of driver {said['driver']} lists none", _none_remedy(facts))
    return None


def ask_nvml(here: Here) -> tuple[dict[str, Any], str]:
    """What NVML says, and why it cannot be asked, empty where it can."""
    paths = find_libraries("libnvidia-ml.so*", here)
    if not paths:
        return {}, "libnvidia-ml.so.1 is nowhere"
    output, error = run_python(["-I", "-S", str(_WORKER), str(paths[0])])
    said = {} if error else json.loads(output)
    if error or "error" in said:
        return {}, f"{paths[0]} cannot be asked: {error or said['error']}"
    return said, ""


def capabilities(here: Here) -> list[str]:
    """Compute capabilities of the GPUs, e.g. ``8.9``; empty where NVML does not tell."""
    said, _ = ask_nvml(here)
    return sorted({gpu["capability"] for gpu in said.get("gpus", []) if "capability" in gpu})


def _enough(found: list[Finding]) -> list[Finding]:
    """One GPU that works is enough: what is wrong with others is then a warning."""
    if all(finding.state is State.error for finding in found):
        return found
    return [replace(item, state=State.warning) if item.state is State.error else item for item in found]


def _gpu(subject: str, gpu: Mapping[str, Any]) -> Finding:
    if "lost" in gpu:
        remedy = "look for Xid lines in dmesg; sudo nvidia-smi --gpu-reset, or restart the machine"
        return broken(subject, f"it does not answer: {gpu['lost']}", remedy)
    capability, mig = gpu["capability"], gpu["mig"]
    room = f"{size(gpu['free'])} of {size(gpu['total'])} free"
    found = f"{gpu['name']}, compute capability {capability}, {room}, {gpu['uuid']}"
    facts = {key: str(gpu[key]) for key in ("name", "uuid", "capability", "total", "free")}
    if tuple(map(int, capability.split("."))) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return broken(subject, found, f"device=cpu, or a GPU of compute capability {oldest} or newer", **facts)
    if mig == []:
        remedy = "sudo nvidia-smi mig -cgi 0 -C makes an instance of all of it; sudo nvidia-smi -mig 0 switches MIG off"
        return broken(subject, f"{found}; MIG is on and has no instance: nothing can compute on it", remedy, **facts)
    if mig:
        return fine(subject, f"{found}; MIG: {', '.join(mig)}", **facts)
    if gpu["free"] < _LEAST_FREE:
        return doubtful(
            subject, found, "end what else runs on it (nvidia-smi lists it), or device=cuda:N of another", **facts
        )
    return fine(subject, found, **facts)


def _no_library(facts: Driver, error: str) -> Finding:
    if facts.shared:
        return absent(
            "NVML", f"{error}; without it GPUs are taken in CUDA's order", "update JetPack, or Windows' driver"
        )
    if facts.container:
        return broken("NVML", error, "docker run -e NVIDIA_DRIVER_CAPABILITIES=compute,utility: utility brings NVML")
    return broken("NVML", error, "reinstall NVIDIA's driver: NVML is a part of it")


def _refused(facts: Driver, said: Mapping[str, Any]) -> Finding:
    code = said["code"]
    found = f"{said['call']}: {said['text'] or 'unknown'} (error {code})"
    if said["call"].startswith("nvmlInit"):
        found = f"Failed to initialize NVML: {said['text'] or 'unknown'} (error {code})"
    return broken(
        "NVML", found, _remedies(facts).get(code, "does nvidia-smi work? if not, reinstall the driver"), code=str(code)
    )


def _remedies(facts: Driver) -> dict[int, str]:
    """What to do, by error of NVML."""
    again = "restart the container" if facts.container else "restart the machine"
    lost = (
        "the container lost its devices (systemctl daemon-reload on the host does that): restart it; for good:"
        " --device=/dev/nvidia0 --device=/dev/nvidiactl --device=/dev/nvidia-uvm, CDI, or native.cgroupdriver=cgroupfs"
    )
    return {
        NO_PERMISSION: "sudo usermod -aG video,render $USER and log in again; may you read and write /dev/nvidia*?",
        NOT_LOADED: WITH_GPUS if facts.container else "sudo modprobe nvidia, or reinstall the driver and restart",
        LOST: f"look for Xid lines in dmesg; {again}; a GPU that is lost again is loose, hot or broken",
        MISMATCH: f"the driver was updated under a running kernel module: {again}",
        UNKNOWN: lost
        if facts.container
        else "is /dev/nvidia* there and permitted? sudo nvidia-modprobe -c 0 -u; restart",
    }


def _none_remedy(facts: Driver) -> str:
    return WITH_GPUS if facts.container else "is the GPU seated and powered? lspci | grep -i nvidia lists it"
