"""Versions of installed packages: for ``summary.json``, and for the store's keys of the results that they shape."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from core.version import __version__

DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cupy": ("cupy-cuda13x", "cupy-cuda12x", "cupy"),
        "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
        "opencv": (
            "opencv-python",
            "opencv-python-headless",
            "opencv-contrib-python",
            "opencv-contrib-python-headless",
        ),
        "tensorrt": ("tensorrt-cu13", "tensorrt-cu12", "tensorrt"),
        "tensorrt-rtx": ("tensorrt-rtx-cu13",),
    }
)
"""Packages that are distributed under several names."""

REPORTED = (
    "torch", "onnx", "onnxruntime", "onnx-graphsurgeon", "onnxsim", "tensorrt", "tensorrt-rtx", "cupy", "opencv", "av",
    "numpy", "hydra-core", "pluggy", "pycocotools",
)  # fmt: skip

_VERSION = re.compile(r"^Version: (\S+)$", re.MULTILINE)
"""The line of a METADATA file; it comes before the description."""


def versions() -> dict[str, str]:
    """Return the versions of hookline, Python and the packages it works with, as far as they are installed."""
    return {"hookline": __version__, "python": platform.python_version(), **installed(REPORTED)}


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Return version by distribution of those packages that are installed.

    Args:
        packages: Names of distributions, or of :data:`DISTRIBUTIONS`.
    """
    names = (name for package in packages for name in DISTRIBUTIONS.get(package, (package,)))
    return {name: version for name in names if (version := _version(name))}


@lru_cache
def _version(distribution: str) -> str:
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
    stated = _VERSION.search(found.read_text("METADATA") or "")  # found.version parses all of it, description included
    return stated[1] if stated else found.version
