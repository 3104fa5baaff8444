"""NVIDIA's driver: kernel module, library and device files, on the machine, in a container, under WSL, on a Jetson."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from backends.nvidia.facts import WITH_GPUS, Driver, driver_cuda, driver_facts, library_version
from backends.system.here import Here
from core.checks import Asked, Finding, absent, broken, fine

SUBJECT = "NVIDIA driver"
INSTALL = "install NVIDIA's driver (on Ubuntu: sudo ubuntu-drivers install), then restart"


def driver(_asked: Asked, here: Here | None = None) -> Iterator[Finding]:
    """Whether there is a driver whose two halves fit, and which CUDA it serves."""
    facts = driver_facts(here or Here())
    yield _problem(facts) or _versions(facts)


def driver_problem(here: Here | None = None) -> Finding | None:
    """What is wrong with the driver as far as files tell, None where it looks whole. Cheap: nothing is loaded."""
    return _problem(driver_facts(here or Here()))


def device_files(_asked: Asked, here: Here | None = None) -> Iterator[Finding]:
    """``/dev/nvidia*``, through which every program reaches the GPUs."""
    here = here or Here()
    facts = driver_facts(here)
    if facts.container == "WSL":
        places = ["/dev/dxg"]
    elif facts.module and not facts.jetson:
        places = ["/dev/nvidiactl", "/dev/nvidia-uvm", *_gpu_files(here)]
    else:
        return
    missing = [place for place in places if not here.path(place).exists()]
    refused = [place for place in places if place not in missing and not os.access(here.path(place), os.R_OK | os.W_OK)]
    if missing:
        yield broken("device files", f"missing: {', '.join(missing)}", _missing_remedy(facts))
    elif refused:
        who = "the user of the container" if facts.container else "your user"
        yield broken(
            "device files",
            f"{who} may not read and write {', '.join(refused)}",
            "sudo usermod -aG video,render $USER and log in again; in a container: --group-add video",
        )
    else:
        yield fine("device files", ", ".join(places))


def _problem(facts: Driver) -> Finding | None:
    if not facts.there:
        return _none(facts)
    if not facts.libraries:
        return _no_library(facts)
    if not facts.module and not facts.shared:
        return _no_module(facts)
    return _mismatch(facts)


def _none(facts: Driver) -> Finding:
    if facts.pci and facts.container:
        found = f"{facts.pci} NVIDIA GPU on the PCI bus, and no driver is loaded on the host of this container"
        return broken(SUBJECT, found, f"on the host: {INSTALL}; then {WITH_GPUS}")
    if facts.pci and facts.nouveau:
        return broken(SUBJECT, f"{facts.pci} NVIDIA GPU served by nouveau, which has no CUDA", INSTALL)
    if facts.pci:
        return broken(SUBJECT, f"{facts.pci} NVIDIA GPU on the PCI bus, and no driver", INSTALL)
    found = "no NVIDIA GPU and no driver are to be seen" + (" in this container" if facts.container else "")
    return absent(SUBJECT, found, WITH_GPUS if facts.container else f"on a machine with an NVIDIA GPU {INSTALL}")


def _no_library(facts: Driver) -> Finding:
    if facts.container:
        found = f"the host has driver {facts.module}, and the container was started without it: no libcuda.so.1"
        return broken(SUBJECT, found, f"{WITH_GPUS}; NVIDIA_DRIVER_CAPABILITIES must hold compute,utility")
    if facts.jetson:
        return broken(SUBJECT, f"{facts.jetson} without libcuda.so.1", "sudo apt-get install nvidia-jetpack")
    major = facts.module.split(".")[0]
    found = f"kernel module {facts.module} is loaded, and its library libcuda.so.1 is nowhere"
    return broken(
        SUBJECT, found, f"sudo apt-get install libnvidia-compute-{major} (the compute half of the same driver)"
    )


def _no_module(facts: Driver) -> Finding:
    found = f"{facts.libraries[0]} is there, and no kernel module is loaded"
    if facts.container:
        return broken(
            SUBJECT, f"{found} on the host", "does nvidia-smi work on the host? restart the host, then the container"
        )
    remedy = (
        "sudo modprobe nvidia; after an update of the kernel restart or reinstall; Secure Boot wants modules signed"
    )
    return broken(SUBJECT, found, remedy)


def _mismatch(facts: Driver) -> Finding | None:
    """An update leaves the old module loaded beside the new library until a restart."""
    path = facts.libraries[0]
    version = library_version(path)
    if not version or not facts.module or version == facts.module or _forward(path):
        return None
    found = f"kernel module {facts.module} and library {version} ({path}) do not belong together"
    remedy = (
        "restart the container (the host's driver was updated)"
        if facts.container
        else "restart: the driver was updated"
    )
    return broken(SUBJECT, found, remedy, module=facts.module, library=version)


def _forward(path: Path) -> bool:
    """NVIDIA's package cuda-compat is meant to be newer than the module."""
    return "compat" in path.parts


def _versions(facts: Driver) -> Finding:
    answer, cuda = driver_cuda(facts)
    path = facts.libraries[0]
    name = facts.module or library_version(path) or facts.jetson
    if cuda is None:
        found = f"{path} cannot be asked for its version: {answer.error or f'CUDA error {answer.status}'}"
        return broken(SUBJECT, found, "reinstall the driver; does nvidia-smi answer?", module=facts.module)
    version = f"{cuda[0]}.{cuda[1]}"
    parts = [name, f"serves CUDA up to {version}", str(path)]
    if facts.jetson and facts.jetson != name:
        parts.insert(1, facts.jetson)
    if _forward(path):
        parts.append(f"forward compatibility over kernel module {facts.module}")
    if facts.gpus:
        parts.append(f"{len(facts.gpus)} GPU{'s' if len(facts.gpus) > 1 else ''}")
    return fine(SUBJECT, ", ".join(parts), version=name, cuda=version, library=str(path))


def _gpu_files(here: Here) -> list[str]:
    """One file a GPU; at least the first is expected."""
    found = sorted(path.name for path in here.path("/dev").glob("nvidia[0-9]*"))
    return [f"/dev/{name}" for name in found] or ["/dev/nvidia0"]


def _missing_remedy(facts: Driver) -> str:
    if facts.container == "WSL":
        return "wsl --update in Windows, and NVIDIA's driver for Windows"
    if facts.container:
        return f"{WITH_GPUS}; where they were there before, restart the container"
    return "sudo nvidia-modprobe -c 0 -u (nvidia-smi as root does the same)"
