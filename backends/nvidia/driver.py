"""Check NVIDIA's driver: kernel module and library, in a container, under WSL and on a Jetson."""

from __future__ import annotations

from collections.abc import Iterator

from backends.nvidia.facts import Driver, library_version
from backends.nvidia.gpu import VISIBLE
from backends.system.host import Host
from backends.system.probing import remedy_for, run_probe
from core.kinds.check import Finding, absent, broken, fine

SUBJECT, HIDDEN = "NVIDIA driver", "visible GPUs"
INSTALL = "install NVIDIA's driver (on Ubuntu: sudo ubuntu-drivers install), then restart"
ON_WINDOWS = "install NVIDIA's driver for Windows, then in Windows: wsl --update, wsl --shutdown, and start WSL again"
UNSET = f"unset {VISIBLE}, or name GPUs as nvidia-smi -L lists them"
_CUDA_VERSION = """
import ctypes, json, sys
version = ctypes.c_int()
status = ctypes.CDLL(sys.argv[1]).cuDriverGetVersion(ctypes.byref(version))
print(json.dumps([status, version.value]))
"""


def driver(host: Host | None = None) -> Iterator[Finding]:
    """Check that both halves of the driver are present and match, and its CUDA version."""
    found = Driver(host or Host())
    yield _problem(found) or _version(found)


def driver_problem(host: Host | None = None) -> Finding | None:
    """Return why no program can use a GPU as far as files and ``CUDA_VISIBLE_DEVICES`` show it, else None."""
    host = host or Host()
    return _problem(Driver(host)) or all_hidden(host)


def all_hidden(host: Host) -> Finding | None:
    """Return the finding that ``CUDA_VISIBLE_DEVICES`` hides every GPU, else None."""
    value = host.environment.get(VISIBLE)
    first = (value or "").split(",")[0].strip()
    if value is None or (first and not first.startswith("-")):
        return None
    return broken(HIDDEN, f"{VISIBLE}='{value}' hides every GPU", UNSET)


def driver_cuda(found: Driver) -> tuple[tuple[int, int], str]:
    """Return the newest CUDA version that the driver supports, or (0, 0) and the error."""
    if not found.libraries:
        return (0, 0), "there is no libcuda.so.1"
    answer, error = run_probe(_CUDA_VERSION, str(found.libraries[0]))
    if error or answer[0]:
        return (0, 0), error or f"CUDA error {answer[0]}"
    return (answer[1] // 1000, answer[1] % 1000 // 10), ""


def _problem(found: Driver) -> Finding | None:
    if not found.present and found.on_pci:
        remedy = f"on the host: {INSTALL}; then {found.with_gpus}" if found.in_container else INSTALL
        return broken(SUBJECT, "an NVIDIA GPU is on the PCI bus, but no driver is loaded", remedy)
    if not found.present:
        remedy = ON_WINDOWS if found.host.wsl else f"on a machine with an NVIDIA GPU {INSTALL}"
        remedy = found.with_gpus if found.in_container else remedy
        return absent(SUBJECT, "there is no NVIDIA GPU and no driver here", remedy)
    name = found.jetson or f"kernel module {found.module}"
    if not found.own_libraries and found.in_container:
        how = "docker run --runtime nvidia" if found.jetson else found.with_gpus
        remedy = f"{how}; NVIDIA_DRIVER_CAPABILITIES needs compute,utility"
        return broken(SUBJECT, f"the host has {name}, but the container has no libcuda.so.1", remedy)
    if not found.own_libraries:
        package = "nvidia-jetpack" if found.jetson else f"libnvidia-compute-{found.module.split('.')[0]}"
        return broken(
            SUBJECT, f"{name} is loaded, but its library libcuda.so.1 is missing", f"sudo apt-get install {package}"
        )
    if not found.module and not found.host.wsl and not found.jetson:
        remedy = "sudo modprobe nvidia; after a kernel update reinstall it; Secure Boot needs signed modules"
        if found.in_container:
            remedy = "on the host: run nvidia-smi; if it fails, restart the host; then restart the container"
        return broken(SUBJECT, f"{found.own_libraries[0]} exists, but no kernel module is loaded", remedy)
    return _mismatch(found)


def _mismatch(found: Driver) -> Finding | None:
    """Return the finding for a driver that was updated without a restart, or for a Linux driver inside WSL."""
    path, version = found.libraries[0], library_version(found.libraries[0])
    if found.host.wsl and version:
        remedy = "in WSL: sudo apt-get purge 'nvidia-driver-*' 'libnvidia-compute-*'; then in Windows: wsl --shutdown"
        return broken(SUBJECT, f"{path} of a driver for Linux hides the driver of Windows", remedy)
    # CUDA's forward compatibility is newer than the module; in containers it may precede the library of the module
    compatible = path not in found.own_libraries or path.with_name(f"libcuda.so.{found.module}").exists()
    if not version or not found.module or version == found.module or compatible:
        return None
    text = f"kernel module {found.module} and library {version} ({path}) do not match: the driver was updated"
    remedy = "restart the container" if found.in_container else "restart the machine"
    return broken(SUBJECT, text, remedy, module=found.module, library=version)


def _version(found: Driver) -> Finding:
    cuda, error = driver_cuda(found)
    path = found.libraries[0]
    if error:
        remedy = ON_WINDOWS if found.host.wsl else "reinstall the driver; check nvidia-smi"
        return broken(SUBJECT, f"{path} does not report its version: {error}", remedy_for(error, remedy))
    name = found.module or library_version(path) or found.jetson or "the driver of Windows"
    board = f", {found.jetson}" if found.jetson not in {"", name} else ""
    text = f"{name}{board}, supports CUDA up to {cuda[0]}.{cuda[1]}, {path}"
    return fine(SUBJECT, text, version=name, cuda=f"{cuda[0]}.{cuda[1]}", library=str(path))
