"""Register the checks of NVIDIA's driver, its GPUs, and the packages for CUDA for ``+stage=doctor``."""

from __future__ import annotations

from collections.abc import Iterable

from backends.system.limits import CHECK_LIMIT
from core.kinds.check import Check, found_at
from core.plugins.hookspecs import hookimpl

_CUDA = frozenset({"tensorrt", "cupy"})
"""The parts that need a GPU; ``tensorrt_rtx`` builds without one."""
_GPU = _CUDA | {"cuda"}
_CHECKS = (
    ("nvidia_driver", _GPU, "driver:driver", "kernel module, libcuda, its CUDA version; containers, WSL, Jetson"),
    ("nvidia_gpus", _GPU, "checks:gpus", "NVML, its GPUs with capability, memory and MIG, /dev/nvidia-uvm"),
    ("cuda_visible", _GPU, "checks:visible_devices", "CUDA_VISIBLE_DEVICES names GPUs of this machine"),
    ("cuda_loading", _GPU, "checks:module_loading", "CUDA_MODULE_LOADING: kernels load when they are used"),
    ("cuda_majors", _CUDA, "checks:majors", "one CUDA for PyTorch, CuPy and TensorRT, supported by the driver"),
    ("nvrtc", _CUDA, "checks:nvrtc", "NVRTC of CuPy's CUDA version, and the headers of CUDA"),
    ("cupy", _CUDA, "checks:cupy", "one CuPy package, which can be imported"),
)


@hookimpl
def hookline_checks() -> Iterable[Check]:
    """Register the checks."""
    for name, needed_by, place, summary in _CHECKS:
        load = found_at(f"backends.nvidia.{place}")
        yield Check(name=name, summary=summary, load=load, needed_by=needed_by, limit=CHECK_LIMIT)
