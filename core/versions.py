"""Versions of what shapes results: part of every key of the store, and of summary.json."""

from __future__ import annotations

import importlib.metadata
import platform
from functools import lru_cache

from core.version import __version__

PACKAGES = (
    "torch", "onnx", "onnxruntime", "onnx-graphsurgeon", "onnxsim", "tensorrt-cu13", "tensorrt-cu12",
    "tensorrt-rtx-cu13", "cupy-cuda13x", "cupy-cuda12x", "opencv-python", "av", "numpy", "hydra-core", "pluggy",
    "pycocotools",
)  # fmt: skip


@lru_cache
def versions() -> dict[str, str]:
    """Versions of hookline, Python and the packages that shape results, as far as they are installed."""
    found = {"hookline": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
