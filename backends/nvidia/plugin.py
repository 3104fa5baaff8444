"""Register the checks of NVIDIA's driver, CUDA, CuPy, TensorRT and TensorRT-RTX for ``+stage=doctor``."""

from __future__ import annotations

from collections.abc import Iterable

from core.kinds.check import Check, found_at
from core.plugins.hookspecs import hookimpl

SOFTWARE = frozenset({"tensorrt", "cupy"})
"""Parts that need a GPU. ``tensorrt_rtx`` builds without one."""
GPU = SOFTWARE | {"cuda"}
"""``device=cuda`` needs a GPU whatever the backend, e.g. for training."""
TIME_LIMIT = 90.0
"""Seconds for a check, longer than those of the subprocess that it may start."""

_CHECKS = (
    (
        "nvidia_driver",
        "kernel module, libcuda, CUDA version, device files; containers, WSL, Jetson",
        "driver:driver",
        GPU,
    ),
    ("nvidia_gpus", "NVML, and the GPUs that it lists: capability, memory, MIG", "checks:gpus", GPU),
    ("cuda_visible", "CUDA_VISIBLE_DEVICES and the variables of containers", "checks:visible_devices", GPU),
    ("cuda_loading", "CUDA_MODULE_LOADING, and debug variables that were left on", "checks:module_loading", GPU),
    (
        "cuda_majors",
        "CUDA of PyTorch, CuPy and TensorRT: one major, not newer than the driver's",
        "cuda:majors",
        SOFTWARE,
    ),
    ("nvrtc", "NVRTC of CuPy's CUDA version, and the headers of CUDA", "cuda:nvrtc", SOFTWARE),
    ("cupy", "one CuPy package, which can be imported", "cuda:cupy", SOFTWARE),
)
_LIBRARIES = (
    ("tensorrt", "TensorRT, its parser, plugin library and builder resource, of one release", "trt.library:tensorrt"),
    ("tensorrt_rtx", "TensorRT-RTX and its parser, of one release", "trt_rtx.plugin:tensorrt_rtx"),
)


@hookimpl
def hookline_checks() -> Iterable[Check]:
    """Register the checks."""
    checks = [(name, summary, f"nvidia.{place}", needed_by) for name, summary, place, needed_by in _CHECKS]
    checks += [(name, summary, place, frozenset({name})) for name, summary, place in _LIBRARIES]
    for name, summary, place, needed_by in checks:
        load = found_at(f"backends.{place}")
        yield Check(name=name, summary=summary, load=load, needed_by=needed_by, limit=TIME_LIMIT)
