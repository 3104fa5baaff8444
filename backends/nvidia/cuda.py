"""Check that PyTorch, CuPy and TensorRT are for a CUDA version that the driver supports, and that CuPy can compile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from backends.nvidia.driver import driver_cuda
from backends.nvidia.facts import Driver
from backends.system.host import Host
from backends.system.probing import examine_package, remedy_for, run_probe
from core.kinds.check import Finding, absent, broken, doubtful, fine

_TENSORRT = r"tensorrt-(?:rtx-|lean-|dispatch-)?cu(\d\d)(?:-libs|-bindings)?"
_TORCH = "PyTorch as https://pytorch.org/get-started says"
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


def majors(host: Host | None = None) -> Iterator[Finding]:
    """Check that all packages are for one major version of CUDA, not newer than the driver supports."""
    host = host or Host()
    driver, versions = Driver(host), cuda_versions(host)
    if "torch" in host.packages and "torch" not in versions and driver.present:
        found = f"{host.packages['torch'].version} is built without CUDA: training runs on the CPU"
        yield doubtful("torch", found, f"install {_TORCH}, for CUDA")
    if not versions:
        return
    numbers = {name: int(version.split(".")[0]) for name, version in versions.items()}
    supported, _error = driver_cuda(driver)
    newer = [name for name, major in numbers.items() if 0 < supported[0] < major]
    found = ", ".join(f"{name} for CUDA {version}" for name, version in versions.items())
    # the others follow TensorRT, which is the hardest to exchange
    target = numbers.get("TensorRT") or numbers.get("TensorRT-RTX") or max(numbers.values())
    others = [name for name, major in numbers.items() if major != target]
    if newer:
        remedy = f"update the driver, or install {' and '.join(newer)} for CUDA {supported[0]}"
        found = f"the driver supports CUDA up to {supported[0]}.{supported[1]}; {found}"
        yield broken("CUDA of the driver", found, remedy, **versions)
    elif others:
        remedy = f"install {' and '.join(others)} for CUDA {target} ({_install_cupy(target)}, {_TORCH})"
        yield doubtful("CUDA majors", f"they differ: {found}", remedy, **versions)
    else:
        yield fine("CUDA majors", found, **versions)


def nvrtc(host: Host | None = None) -> Iterator[Finding]:
    """Compile a kernel with the NVRTC that CuPy finds, and look for the headers of CUDA."""
    wanted = cuda_versions(host or Host()).get("CuPy")
    if wanted is None:
        yield absent("NVRTC", "CuPy, which compiles its kernels with it, is not installed", _install_cupy("13"))
        return
    answer, error = run_probe(_NVRTC)
    if error:
        remedy = f"{_install_cupy(wanted)}, or export CUDA_PATH=<toolkit>"
        yield broken("NVRTC", f"CuPy compiles its kernels with it: {error}", remedy_for(error, remedy))
        return
    path, major, minor, status, headers = answer
    found = f"{major}.{minor} at {path}"
    if status:
        yield broken("NVRTC", f"{found} does not compile: error {status}", f"{_install_cupy(wanted)} --force-reinstall")
    elif str(major) != wanted:
        remedy = f"uninstall the package that includes it, or {_install_cupy(major)} instead"
        yield doubtful("NVRTC", f"CuPy is for CUDA {wanted} and finds {found} first", remedy)
    else:
        yield fine("NVRTC", found, version=f"{major}.{minor}", path=path)
    if headers is None:
        yield broken("CUDA headers", "no cuda_runtime.h, without which CuPy compiles no kernel", _install_cupy(wanted))


def cupy(host: Host | None = None) -> Iterator[Finding]:
    """Check that there is one CuPy package, for the CUDA version of the others, and import it."""
    host = host or Host()
    versions = cuda_versions(host)
    others = [versions[name] for name in ("TensorRT", "TensorRT-RTX", "torch") if name in versions]
    install = _install_cupy(others[0].split(".")[0] if others else "13")
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


def _install_cupy(major: str | int) -> str:
    return f"pip install 'cupy-cuda{major}x[ctk]'"
