"""Versions of installed packages, for ``summary.json`` and for the keys of the store."""

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
"""Names of distributions per package that has several."""

REPORTED = (
    "torch", "onnx", "onnxruntime", "onnx-graphsurgeon", "onnxsim", "tensorrt", "tensorrt-rtx", "cupy", "opencv",
    "pillow-heif", "av", "numpy", "hydra-core", "pluggy", "pycocotools",
)  # fmt: skip
"""Packages in ``summary.json``."""

_VERSION = re.compile(r"^Version: (\S+)$", re.MULTILINE)
"""The version in a METADATA file."""


def versions() -> dict[str, str]:
    """Return the versions of hookline, Python and the installed packages that hookline uses."""
    return {"hookline": __version__, "python": platform.python_version(), **installed(REPORTED)}


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Return version by distribution of the installed ones of ``packages``.

    Args:
        packages: Names of distributions, or keys of :data:`DISTRIBUTIONS`.
    """
    names = (name for package in packages for name in DISTRIBUTIONS.get(package, (package,)))
    return {name: version for name in names if (version := _version(name))}


@lru_cache
def _version(distribution: str) -> str:
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
    stated = _VERSION.search(found.read_text("METADATA") or "")  # found.version parses the whole file
    return stated[1] if stated else found.version
