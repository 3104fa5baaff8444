"""Checks of NVIDIA's driver, CUDA, CuPy, TensorRT and TensorRT-RTX, for ``+stage=doctor``."""

from __future__ import annotations

from collections.abc import Iterable

from core.kinds.check import Check, found_at
from core.plugins.hookspecs import hookimpl

SOFTWARE = frozenset({"tensorrt", "cupy"})
"""What cannot work without a GPU. ``tensorrt_rtx`` builds without one."""
GPU = SOFTWARE | {"cuda"}
"""With ``device=cuda`` a GPU is asked for by itself, for a training, whatever the backend."""
PATIENCE = 90.0
"""Seconds that a check gets: more than one library in a process of its own may take."""

_CHECKS = {
    "nvidia_driver": (
        "kernel module, libcuda and the CUDA they serve; containers, WSL, Jetson",
        "nvidia.driver:driver",
        GPU,
    ),
    "nvidia_devices": ("/dev/nvidia*: there, and permitted", "nvidia.driver:device_files", GPU),
    "nvidia_gpus": ("NVML, and the GPUs it lists: capability, memory, MIG", "nvidia.nvml:gpus", GPU),
    "cuda_visible": ("CUDA_VISIBLE_DEVICES and the container's variables", "nvidia.variables:visible_devices", GPU),
    "cuda_loading": ("CUDA_MODULE_LOADING, and switches for debugging left on", "nvidia.variables:module_loading", GPU),
    "cuda_majors": (
        "CUDA of torch, CuPy and TensorRT: one major, not newer than the driver's",
        "nvidia.cuda:majors",
        SOFTWARE,
    ),
    "torch_cuda": ("PyTorch is built for CUDA where there is a GPU", "nvidia.cuda:torch_build", frozenset()),
    "cuda_runtime": ("libcudart: where, and of which version", "nvidia.cuda:runtime", frozenset()),
    "nvrtc": ("NVRTC of CuPy's major version, and CUDA's headers", "nvidia.nvrtc:nvrtc", SOFTWARE),
    "cupy": ("one CuPy package, which can be imported", "nvidia.cupy_package:cupy", SOFTWARE),
    "tensorrt": (
        "TensorRT, its parser, plugin library and builder resource, of one release",
        "trt.library:tensorrt",
        frozenset({"tensorrt"}),
    ),
    "tensorrt_rtx": (
        "TensorRT-RTX and its parser, of one release",
        "trt_rtx.plugin:tensorrt_rtx",
        frozenset({"tensorrt_rtx"}),
    ),
    "nvcc": ("the CUDA compiler; hookline does not need it", "nvidia.cuda:nvcc", frozenset()),
}


@hookimpl
def hookline_checks() -> Iterable[Check]:
    """Register the checks."""
    for name, (summary, place, needed_by) in _CHECKS.items():
        load = found_at(f"backends.{place}")
        yield Check(name=name, summary=summary, load=load, needed_by=needed_by, limit=PATIENCE)
