"""Check GPUs, the variables of CUDA, and that the packages for CUDA match each other and the driver."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from backends.nvidia.driver import HIDDEN, INSTALL, ON_WINDOWS, UNSET, all_hidden, driver_cuda
from backends.nvidia.facts import Driver
from backends.nvidia.gpu import VISIBLE, device_names, find_named, installed_gpus, visible
from backends.nvidia.nvml import TIMEOUT, Gpu, NvmlError, query_nvml
from backends.system.checks import size_text
from backends.system.host import Host
from backends.system.probing import examine_package, remedy_for, run_probe
from core.errors import UnavailableError
from core.kinds.check import Finding, State, absent, broken, doubtful, fine

CAPABILITY = (7, 5)
"""Minimum compute capability of TensorRT 10 and of the kernels."""
_REMEDIES = {
    4: "sudo usermod -aG video,render $USER and log in again; check the permissions of /dev/nvidia*",
    9: f"sudo modprobe nvidia, or {INSTALL}",
    TIMEOUT: "run it again; sudo nvidia-smi -pm 1 keeps the GPUs awake; if it hangs again, see dmesg for NVRM and Xid",
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
_TENSORRT = r"tensorrt-(?:rtx-|lean-|dispatch-)?cu(\d\d)(?:-libs|-bindings)?"
_CUPY = "pip install 'cupy-cuda{}x[ctk]'"
_TORCH = "PyTorch from https://pytorch.org/get-started"
_NVRTC = """
import ctypes, json
from cuda.pathfinder import find_nvidia_header_directory, load_nvidia_dynamic_lib
path = load_nvidia_dynamic_lib("nvrtc").abs_path
nvrtc, major, minor, program = ctypes.CDLL(path), ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p()
nvrtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
status = nvrtc.nvrtcCreateProgram(ctypes.byref(program), b"__global__ void f() {}", None, 0, None, None)
status = status or nvrtc.nvrtcCompileProgram(program, 0, None)
print(json.dumps([path, major.value, minor.value, status, find_nvidia_header_directory("cudart")]))
"""
"""Find NVRTC and the headers of CUDA as CuPy does, and compile an empty kernel, which loads the builtins of NVRTC."""


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
    except UnavailableError:
        return  # the check ``packages`` reports that nvidia-ml-py is missing
    if not listed:
        remedy = f"{driver.with_gpus}; on a cluster, request GPUs for the job; sudo usermod -aG video,render $USER"
        yield broken("GPUs", "NVML lists no GPU that this process may use", remedy)
        return
    yield fine("NVML", f"driver {listed[0].driver}, {len(listed)} listed", driver=listed[0].driver)
    found = [_gpu(gpu) for gpu in listed]
    if not (driver.jetson or driver.host.wsl or driver.host.path("/dev/nvidia-uvm").exists()):
        remedy = driver.with_gpus if driver.in_container else "sudo nvidia-modprobe -c 0 -u"
        yield doubtful("device files", "/dev/nvidia-uvm is missing, and CUDA does not start without it", remedy)
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
        why = f"'{wrong}' is not one of the {len(found)} GPUs here; CUDA hides it and all later entries"
        yield broken(HIDDEN, f"{VISIBLE}={value}: {why}", UNSET)
    elif seen := visible(found, value):
        yield fine(HIDDEN, f"{VISIBLE}={value}: {device_names(seen)}", value=value)
    else:
        yield broken(HIDDEN, f"{VISIBLE}={value} names a GPU twice, so CUDA hides all GPUs", UNSET)


def module_loading(host: Host | None = None) -> Iterator[Finding]:
    """Check that kernels load lazily."""
    host = host or Host()
    if not Driver(host).present:
        return
    name, value = "CUDA_MODULE_LOADING", host.environment.get("CUDA_MODULE_LOADING", "")
    if value.upper() in {"", "LAZY"}:
        yield fine("lazy loading", f"{name}={value}" if value else f"{name} is not set: hookline sets LAZY")
    else:
        found = f"{name}={value}: all kernels are loaded at the start, which takes more time and memory"
        yield doubtful("lazy loading", found, f"unset {name}: hookline sets LAZY")


def majors(host: Host | None = None) -> Iterator[Finding]:
    """Check that all packages are for one major version of CUDA, not newer than the driver supports."""
    host = host or Host()
    driver, versions = Driver(host), cuda_versions(host)
    if "torch" in host.packages and "torch" not in versions and driver.present:
        found = f"{host.packages['torch'].version} is built without CUDA: training runs on the CPU"
        yield doubtful("torch", found, f"install {_TORCH} with CUDA")
    if not versions:
        return
    numbers = {name: int(version.split(".")[0]) for name, version in versions.items()}
    supported, _error = driver_cuda(driver)
    newer = [name for name, major in numbers.items() if 0 < supported[0] < major]
    found = ", ".join(f"{name} for CUDA {version}" for name, version in versions.items())
    # the other packages should match TensorRT, which is the hardest to replace
    target = numbers.get("TensorRT") or numbers.get("TensorRT-RTX") or max(numbers.values())
    others = [name for name, major in numbers.items() if major != target]
    if newer:
        remedy = f"update the driver, or install {' and '.join(newer)} for CUDA {supported[0]}"
        found = f"the driver supports CUDA up to {supported[0]}.{supported[1]}; {found}"
        yield broken("CUDA of the driver", found, remedy, **versions)
    elif others:
        remedy = f"install {' and '.join(others)} for CUDA {target} ({_CUPY.format(target)}, {_TORCH})"
        yield doubtful("CUDA majors", f"the packages differ: {found}", remedy, **versions)
    else:
        yield fine("CUDA majors", found, **versions)


def nvrtc(host: Host | None = None) -> Iterator[Finding]:
    """Compile a kernel with the NVRTC that CuPy finds, and look for the headers of CUDA."""
    wanted = cuda_versions(host or Host()).get("CuPy")
    if wanted is None:
        yield absent("NVRTC", "CuPy, which compiles its kernels with NVRTC, is not installed", _CUPY.format("13"))
        return
    answer, error = run_probe(_NVRTC)
    if error:
        remedy = f"{_CUPY.format(wanted)}, or export CUDA_PATH=<toolkit>"
        yield broken("NVRTC", f"CuPy cannot use it to compile kernels: {error}", remedy_for(error, remedy))
        return
    path, major, minor, status, headers = answer
    found = f"{major}.{minor} at {path}"
    if status:
        yield broken("NVRTC", f"{found} does not compile: error {status}", f"{_CUPY.format(wanted)} --force-reinstall")
    elif str(major) != wanted:
        remedy = f"uninstall the package that contains this NVRTC, or {_CUPY.format(major)}"
        yield doubtful("NVRTC", f"CuPy is for CUDA {wanted}, but finds {found} first", remedy)
    else:
        yield fine("NVRTC", found, version=f"{major}.{minor}", path=path)
    if headers is None:
        yield broken(
            "CUDA headers",
            "cuda_runtime.h is missing, and CuPy cannot compile kernels without it",
            _CUPY.format(wanted),
        )


def cupy(host: Host | None = None) -> Iterator[Finding]:
    """Check that there is one CuPy package, for the CUDA version of the others, and import it."""
    host = host or Host()
    versions = cuda_versions(host)
    others = [versions[name] for name in ("TensorRT", "TensorRT-RTX", "torch") if name in versions]
    install = _CUPY.format(others[0].split(".")[0] if others else "13")
    yield examine_package("CuPy", "cupy", host.packages_like(r"cupy(-cuda\d+x|-rocm[-\d]+)?"), install)


def cuda_versions(host: Host) -> dict[str, str]:
    """Return the CUDA version of each installed package that is built for one, without importing it."""
    found: dict[str, str] = {}
    if torch := host.packages.get("torch"):
        path = Path(str(torch.locate_file("torch/version.py")))
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if version := re.search(r"^cuda\b[^=]*=\s*['\"]([\d.]+)", text, re.MULTILINE):
            found["torch"] = version.group(1)
    for name in sorted(host.packages):
        if version := re.fullmatch(r"cupy-cuda(\d\d)x", name):
            found["CuPy"] = version.group(1)
        elif version := re.fullmatch(_TENSORRT, name):
            found["TensorRT-RTX" if "-rtx-" in name else "TensorRT"] = version.group(1)
    return found


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
        return broken(subject, f"it does not respond: {gpu.problem}", remedy)
    if gpu.problem:
        remedy = "create an instance (sudo nvidia-smi mig -cgi 0 -C), or disable MIG (sudo nvidia-smi -mig 0)"
        return broken(subject, found, remedy, **facts)
    if gpu.capability and tuple(map(int, gpu.capability.split("."))) < CAPABILITY:
        return broken(subject, found, "set device=cpu, or use a GPU of compute capability 7.5 or newer", **facts)
    if gpu.total and gpu.free < 2**30:
        remedy = "close other programs on it (nvidia-smi lists them), or choose another GPU with device=cuda:N"
        return doubtful(subject, found, remedy, **facts)
    return fine(subject, found, **facts)
