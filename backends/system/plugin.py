"""Register the checks of the host, of NVIDIA's driver and CUDA, and of TensorRT for ``+stage=doctor``."""

from __future__ import annotations

from collections.abc import Iterable

from core.kinds.check import Check, found_at
from core.plugins.hookspecs import hookimpl

ALL, CUDA, GPU = "", "tensorrt cupy", "tensorrt cupy cuda"
"""What needs a check: every target; parts that need a GPU (``tensorrt_rtx`` builds without one); ``device=cuda``."""
TIME_LIMIT = 90.0  # seconds; longer than the subprocess that a check may start
_CHECKS = (
    ("system", ALL, "system.checks:system", "operating system, kernel, C library, container"),
    ("packages", ALL, "system.checks:packages", "Python and the packages that hookline needs, against their ranges"),
    ("opencv", ALL, "system.checks:opencv", "one OpenCV package, which can be imported"),
    ("video", ALL, "system.checks:video", "PyAV, which reads and writes video, can be imported"),
    (
        "shared_memory",
        ALL,
        "system.checks:shared_memory",
        "shared memory, for the workers that load images for training",
    ),
    ("disk", ALL, "system.checks:disk", "free space on the disk of the store"),
    ("nvidia_driver", GPU, "nvidia.driver:driver", "kernel module, libcuda, its CUDA version; containers, WSL, Jetson"),
    ("nvidia_gpus", GPU, "nvidia.checks:gpus", "NVML, its GPUs with capability, memory and MIG, /dev/nvidia-uvm"),
    ("cuda_visible", GPU, "nvidia.checks:visible_devices", "CUDA_VISIBLE_DEVICES names GPUs of this machine"),
    ("cuda_loading", GPU, "nvidia.checks:module_loading", "CUDA_MODULE_LOADING: kernels load when they are used"),
    ("cuda_majors", CUDA, "nvidia.checks:majors", "one CUDA for PyTorch, CuPy and TensorRT, supported by the driver"),
    ("nvrtc", CUDA, "nvidia.checks:nvrtc", "NVRTC of CuPy's CUDA version, and the headers of CUDA"),
    ("cupy", CUDA, "nvidia.checks:cupy", "one CuPy package, which can be imported"),
    ("tensorrt", "tensorrt", "trt.library:tensorrt", "TensorRT, its libraries and builder resource, of one release"),
    ("tensorrt_rtx", "tensorrt_rtx", "trt_rtx.checks:tensorrt_rtx", "TensorRT-RTX and its library, of one release"),
)


@hookimpl
def hookline_checks() -> Iterable[Check]:
    """Register the checks."""
    for name, needed_by, place, summary in _CHECKS:
        load, parts = found_at(f"backends.{place}"), frozenset(needed_by.split())
        yield Check(name=name, summary=summary, load=load, needed_by=parts, limit=TIME_LIMIT)
