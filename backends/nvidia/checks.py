"""Check the GPUs that NVML lists, and the variables that hide GPUs or slow CUDA down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from backends.nvidia.driver import HIDDEN, INSTALL, ON_WINDOWS, UNSET, all_hidden
from backends.nvidia.facts import Driver
from backends.nvidia.gpu import VISIBLE, device_names, find_named, installed_gpus, visible
from backends.nvidia.nvml import Gpu, NvmlError, query_nvml
from backends.system.checks import size_text
from backends.system.host import Host
from core.errors import UnavailableError
from core.kinds.check import Finding, State, broken, doubtful, fine

CAPABILITY = (7, 5)
"""Minimum compute capability of TensorRT 10 and of the kernels."""
FREE_MEMORY = 2**30
_REMEDIES = {
    4: "sudo usermod -aG video,render $USER and log in again; check the permissions of /dev/nvidia*",
    9: f"sudo modprobe nvidia, or {INSTALL}",
    12: "reinstall NVIDIA's driver, which includes NVML",
    15: "look for Xid lines in dmesg, and restart the machine",
    18: "restart the machine: the driver was updated under a loaded kernel module",
    999: "check the permissions of /dev/nvidia*; sudo nvidia-modprobe -c 0 -u; restart the machine",
}
"""What to do about an ``nvmlReturn_t``."""
_REMEDIES_IN_CONTAINERS = {
    12: "docker run -e NVIDIA_DRIVER_CAPABILITIES=compute,utility: utility adds NVML",
    18: "restart the container: the driver of the host was updated",
    999: "the container lost its devices, as after systemctl daemon-reload on the host: restart it; to prevent it use"
    " CDI, native.cgroupdriver=cgroupfs, or --device=/dev/nvidia0 --device=/dev/nvidiactl --device=/dev/nvidia-uvm",
}


def gpus(host: Host | None = None) -> Iterator[Finding]:
    """Check NVML and every GPU that it lists. One GPU that works is enough: problems of others become warnings."""
    driver = Driver(host or Host())
    if not driver.present:
        return
    try:
        listed = query_nvml()
    except NvmlError as error:
        yield _nvml_failed(driver, error)
        return
    except UnavailableError as error:
        yield broken("NVML", error.message, error.hint or "pip install nvidia-ml-py")
        return
    if not listed:
        remedy = f"{driver.with_gpus}; a scheduler gives GPUs to jobs; sudo usermod -aG video,render $USER"
        yield broken("GPUs", "NVML lists none that this process may use", remedy)
        return
    yield fine("NVML", f"driver {listed[0].driver}, {len(listed)} listed", driver=listed[0].driver)
    found = [_gpu(gpu) for gpu in listed]
    if not (driver.jetson or driver.host.wsl or driver.host.path("/dev/nvidia-uvm").exists()):
        remedy = driver.with_gpus if driver.in_container else "sudo nvidia-modprobe -c 0 -u, which CUDA runs if it can"
        yield doubtful("device files", "no /dev/nvidia-uvm, without which CUDA does not start", remedy)
    usable = any(item.state is not State.error for item in found)
    yield from (replace(item, state=State.warning) if usable and item.state is State.error else item for item in found)


def visible_devices(host: Host | None = None) -> Iterator[Finding]:
    """Check that the GPUs that ``CUDA_VISIBLE_DEVICES`` names exist."""
    host = host or Host()
    if not Driver(host).present:
        return
    if problem := all_hidden(host):
        yield problem
        return
    value = host.environment.get(VISIBLE)
    if value is None:
        yield fine(HIDDEN, f"all: {VISIBLE} is not set")
        return
    try:
        found = installed_gpus()
    except UnavailableError:
        return  # nvidia_driver and nvidia_gpus report it
    wrong = next((entry for entry in map(str.strip, value.split(",")) if find_named(found, entry) is None), "-")
    if not wrong.startswith("-"):  # CUDA reads no further; a negative number ends the list on purpose
        why = f"'{wrong}' is none of the {len(found)} GPUs here, it and all after it are hidden"
        yield broken(HIDDEN, f"{VISIBLE}={value}: {why}", UNSET)
    elif seen := visible(found, value):
        yield fine(HIDDEN, f"{VISIBLE}={value}: {device_names(seen)}", value=value)
    else:
        yield broken(HIDDEN, f"{VISIBLE}={value} names a GPU twice: CUDA then shows none", UNSET)


def module_loading(host: Host | None = None) -> Iterator[Finding]:
    """Check that kernels load lazily, and that CUDA_LAUNCH_BLOCKING is not left on."""
    host = host or Host()
    if not Driver(host).present:
        return
    name, value = "CUDA_MODULE_LOADING", host.environment.get("CUDA_MODULE_LOADING", "")
    if value.upper() in {"", "LAZY"}:
        yield fine("lazy loading", f"{name}={value}" if value else f"{name} is not set: hookline sets LAZY")
    else:
        found = f"{name}={value}: all kernels load at the start, slower and with more memory"
        yield doubtful("lazy loading", found, f"unset {name}: hookline sets LAZY")
    if host.environment.get("CUDA_LAUNCH_BLOCKING", "0") not in {"", "0"}:
        found = "it is set: the CPU waits for every kernel, copies and kernels do not overlap"
        yield doubtful("CUDA_LAUNCH_BLOCKING", found, "unset CUDA_LAUNCH_BLOCKING")


def _nvml_failed(driver: Driver, error: NvmlError) -> Finding:
    found = f"{error.found} (error {error.code})"
    if driver.integrated_gpu:
        remedy = ON_WINDOWS if driver.host.wsl else "update JetPack: NVML came with release 6"
        return doubtful("NVML", f"{found}; hookline uses the first GPU without it", remedy)
    remedies = {**_REMEDIES, **_REMEDIES_IN_CONTAINERS, 9: driver.with_gpus} if driver.in_container else _REMEDIES
    remedy = remedies.get(error.code, "check nvidia-smi; reinstall the driver if it fails too")
    return broken("NVML", found, remedy, code=str(error.code))


def _gpu(gpu: Gpu) -> Finding:
    subject = f"GPU {gpu.number}"
    memory = f"{size_text(gpu.free)} of {size_text(gpu.total)} free" if gpu.total else "memory unknown"
    parts = (gpu.name, f"compute capability {gpu.capability or 'unknown'}", memory, gpu.uuid, gpu.problem)
    found = ", ".join(filter(None, parts))
    facts = {name: str(getattr(gpu, name)) for name in ("name", "uuid", "capability", "total", "free")}
    if gpu.problem and not gpu.name:
        remedy = "look for Xid lines in dmesg; sudo nvidia-smi --gpu-reset, or restart the machine"
        return broken(subject, f"it does not answer: {gpu.problem}", remedy)
    if gpu.problem:
        remedy = "create an instance (sudo nvidia-smi mig -cgi 0 -C), or disable MIG (sudo nvidia-smi -mig 0)"
        return broken(subject, found, remedy, **facts)
    if gpu.capability and tuple(map(int, gpu.capability.split("."))) < CAPABILITY:
        return broken(subject, found, "device=cpu, or a GPU of compute capability 7.5 or newer", **facts)
    if gpu.total and gpu.free < FREE_MEMORY:
        remedy = "end other programs on it (nvidia-smi lists them), or device=cuda:N of another"
        return doubtful(subject, found, remedy, **facts)
    return fine(subject, found, **facts)
