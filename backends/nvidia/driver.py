"""NVIDIA's driver: kernel module, library and device files, on the machine, in a container, under WSL, on a Jetson."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from backends.nvidia.facts import ON_WINDOWS, Driver, driver_cuda, driver_facts, is_forward, library_version
from backends.nvidia.running import told_for
from backends.nvidia.visible_devices import hidden
from backends.system.host import Host
from backends.system.native import remedy_for
from core.kinds.check import Finding, Target, absent, broken, doubtful, fine

SUBJECT = "NVIDIA driver"
INSTALL = "install NVIDIA's driver (on Ubuntu: sudo ubuntu-drivers install), then restart"
OF_WINDOWS = "the driver of Windows"


def driver(asked: Target, here: Host | None = None) -> Iterator[Finding]:
    """Whether there is a driver whose two halves fit, and which CUDA it serves."""
    facts = driver_facts(here or Host())
    yield told_for(asked, problem_of(facts) or _versions(facts))


def driver_problem(here: Host | None = None) -> Finding | None:
    """Why no program reaches a GPU, as far as files and ``CUDA_VISIBLE_DEVICES`` tell; None where they allow it.

    Cheap, some milliseconds: nothing is loaded.
    """
    here = here or Host()
    return problem_of(driver_facts(here)) or hidden(here)


def problem_of(facts: Driver) -> Finding | None:
    """What is wrong with the driver as far as files tell, None where it looks whole."""
    if not facts.there:
        return _none(facts)
    if not facts.own_libraries:
        return _no_library(facts)
    if not facts.module and not facts.shared:
        return _no_module(facts)
    return _shadowed(facts) or _mismatch(facts)


def device_files(here: Host | None = None) -> Iterator[Finding]:
    """``/dev/nvidia*``, through which every program reaches the GPUs."""
    here = here or Host()
    facts = driver_facts(here)
    if facts.wsl:
        places = ["/dev/dxg"]
    elif facts.module and not facts.jetson:
        places = ["/dev/nvidiactl", "/dev/nvidia-uvm", *_gpu_files(here)]
    else:
        return
    missing = [place for place in places if not here.path(place).exists()]
    refused = [place for place in places if place not in missing and not os.access(here.path(place), os.R_OK | os.W_OK)]
    if missing:
        yield _missing(facts, missing, here)
    elif refused:
        who = "the user of the container" if facts.in_container else "your user"
        yield broken(
            "device files",
            f"{who} may not read and write {', '.join(refused)}",
            "sudo usermod -aG video,render $USER and log in again; in a container: --group-add video",
        )
    else:
        yield fine("device files", ", ".join(places))


def _none(facts: Driver) -> Finding:
    if facts.pci and facts.in_container:
        found = f"{facts.pci} NVIDIA GPU on the PCI bus, and no driver is loaded on the host of this container"
        return broken(SUBJECT, found, f"on the host: {INSTALL}; then {facts.with_gpus}")
    if facts.pci and facts.nouveau:
        return broken(SUBJECT, f"{facts.pci} NVIDIA GPU served by nouveau, which has no CUDA", INSTALL)
    if facts.pci:
        return broken(SUBJECT, f"{facts.pci} NVIDIA GPU on the PCI bus, and no driver", INSTALL)
    if facts.in_container:
        return absent(SUBJECT, "this container has no NVIDIA GPU and no driver", facts.with_gpus)
    if facts.wsl:
        return absent(SUBJECT, "Windows gives WSL no driver: no libcuda.so.1 in /usr/lib/wsl/lib", ON_WINDOWS)
    return absent(SUBJECT, "this machine has no NVIDIA GPU and no driver", f"on a machine with an NVIDIA GPU {INSTALL}")


def _no_library(facts: Driver) -> Finding:
    if facts.in_container:
        host = f"driver {facts.module}" if facts.module else facts.jetson
        found = f"the host has {host}, and the container was started without it: no libcuda.so.1"
        how = "docker run --runtime nvidia" if facts.jetson else facts.with_gpus
        return broken(SUBJECT, found, f"{how}; NVIDIA_DRIVER_CAPABILITIES must hold compute,utility")
    if facts.jetson:
        return broken(SUBJECT, f"{facts.jetson} without libcuda.so.1", "sudo apt-get install nvidia-jetpack")
    major = facts.module.split(".")[0]
    found = f"kernel module {facts.module} is loaded, and its library libcuda.so.1 is nowhere"
    return broken(
        SUBJECT, found, f"sudo apt-get install libnvidia-compute-{major} (the compute half of the same driver)"
    )


def _no_module(facts: Driver) -> Finding:
    found = f"{facts.own_libraries[0]} is there, and no kernel module is loaded"
    if facts.in_container:
        return broken(
            SUBJECT, f"{found} on the host", "does nvidia-smi work on the host? restart the host, then the container"
        )
    remedy = (
        "sudo modprobe nvidia; after an update of the kernel restart or reinstall; Secure Boot wants modules signed"
    )
    return broken(SUBJECT, found, remedy)


def _shadowed(facts: Driver) -> Finding | None:
    """A driver for Linux that was installed inside WSL hides that of Windows; only the former's name has a version."""
    path = facts.libraries[0]
    if not facts.wsl or not library_version(path):
        return None
    remedy = "inside WSL: sudo apt-get purge 'nvidia-driver-*' 'libnvidia-compute-*'; then in Windows: wsl --shutdown"
    return broken(SUBJECT, f"{path} is of a driver for Linux, inside WSL, where that of Windows serves", remedy)


def _mismatch(facts: Driver) -> Finding | None:
    """An update leaves the old module loaded beside the new library until a restart."""
    path = facts.libraries[0]
    version = library_version(path)
    if not version or not facts.module or version == facts.module or _is_beside(facts, path):
        return None
    found = f"kernel module {facts.module} and library {version} ({path}) do not belong together"
    remedy = (
        "restart the container (the host's driver was updated)"
        if facts.in_container
        else "restart: the driver was updated"
    )
    return broken(SUBJECT, found, remedy, module=facts.module, library=version)


def _is_beside(facts: Driver, path: Path) -> bool:
    """Whether a library is there for forward compatibility, with that of the kernel module left in its place.

    The container toolkit may mount the image's one into the folder of the host's; an update leaves none of the old.
    """
    return is_forward(path) or path.with_name(f"libcuda.so.{facts.module}").exists()


def _versions(facts: Driver) -> Finding:
    answer, cuda = driver_cuda(facts)
    path = facts.libraries[0]
    name = facts.module or library_version(path) or facts.jetson or OF_WINDOWS
    if cuda is None:
        found = f"{path} cannot be asked for its version: {answer.error or f'CUDA error {answer.status}'}"
        repair = ON_WINDOWS if facts.wsl else "reinstall the driver; does nvidia-smi answer?"
        return broken(SUBJECT, found, remedy_for(answer.error, repair), module=facts.module)
    version = f"{cuda[0]}.{cuda[1]}"
    parts = [name, f"serves CUDA up to {version}", str(path)]
    if facts.jetson and facts.jetson != name:
        parts.insert(1, facts.jetson)
    if facts.module and library_version(path) not in {"", facts.module}:
        parts.append(f"forward compatibility over kernel module {facts.module}")
    return fine(SUBJECT, ", ".join(parts), version=name, cuda=version, library=str(path))


def _gpu_files(here: Host) -> list[str]:
    """One file a GPU; at least the first is expected."""
    found = sorted(path.name for path in here.path("/dev").glob("nvidia[0-9]*"))
    return [f"/dev/{name}" for name in found] or ["/dev/nvidia0"]


def _missing(facts: Driver, places: list[str], here: Host) -> Finding:
    found = f"missing: {', '.join(places)}"
    if facts.in_container:
        return broken("device files", found, f"{facts.with_gpus}; where they were there before, restart the container")
    if facts.wsl:
        return broken("device files", found, ON_WINDOWS)
    remedy = "sudo nvidia-modprobe -c 0 -u (nvidia-smi as root does the same)"
    if _makes_device_files(here):
        return doubtful("device files", f"{found}; CUDA has nvidia-modprobe make them when it starts", remedy)
    return broken("device files", found, remedy)


def _makes_device_files(here: Host) -> bool:
    """Whether CUDA can have device files made: by a program that runs as root whoever starts it."""
    places = [here.environment.get("PATH", ""), str(here.path("/usr/bin"))]
    path = shutil.which("nvidia-modprobe", path=os.pathsep.join(places))
    return path is not None and (os.geteuid() == 0 or bool(Path(path).stat().st_mode & stat.S_ISUID))
