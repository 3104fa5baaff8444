"""Where the shared libraries of CUDA and TensorRT lie: in Python packages, on the loader's path, in usual folders.

Python packages come first: torch, CuPy and TensorRT load what was installed with them before they ask the loader.
"""

from __future__ import annotations

import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path

from backends.system.here import Here

PACKAGED = ("nvidia/*/lib", "tensorrt_libs", "tensorrt_rtx_libs", "tensorrt_lean_libs")
"""Folders of Python packages that hold shared libraries, below a site folder."""

USUAL = (
    "/usr/local/cuda/lib64",
    "/usr/local/cuda/lib",
    "/usr/local/cuda/compat",
    "/usr/lib/wsl/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib64",
    "/usr/lib64-nvidia",
    "/usr/local/nvidia/lib64",
    "/usr/local/tensorrt/lib",
    "/opt/tensorrt/lib",
)
"""Folders in which installers and container images put them."""


def find_libraries(name: str, here: Here) -> list[Path]:
    """All files of a library, the one that a program gets first at the front.

    Args:
        name: Glob of the file name, e.g. ``libcudart.so*``.
        here: The machine.

    Returns:
        Paths with links resolved, each once; stub libraries, which only link, are left out.
    """
    folders = [*packaged_folders(here), *loader_folders(here), *(here.path(folder) for folder in USUAL)]
    found = (path.resolve() for folder in dict.fromkeys(folders) for path in sorted(folder.glob(name), key=_shortest))
    return list(dict.fromkeys(path for path in found if path.is_file() and "stubs" not in path.parts))


def _shortest(path: Path) -> tuple[int, str]:
    """``libx.so`` and ``libx.so.13`` before what they link to."""
    return len(path.name), path.name


def loader_folders(here: Here) -> list[Path]:
    """``LD_LIBRARY_PATH`` and the folders of the loader's cache."""
    given = here.environment.get("LD_LIBRARY_PATH", "").split(":")
    return [*(Path(folder) for folder in given if folder), *_cached_folders(here.root)]


def packaged_folders(here: Here) -> list[Path]:
    """Folders of Python packages that hold shared libraries."""
    return [folder for site in here.site for pattern in PACKAGED for folder in sorted(site.glob(pattern))]


@lru_cache
def _cached_folders(root: Path) -> tuple[Path, ...]:
    """Folders in the cache of the loader, as ``ldconfig`` prints it."""
    tool = next(
        (path for name in ("sbin", "usr/sbin", "bin") if os.access(path := root / name / "ldconfig", os.X_OK)), None
    )
    if tool is None:
        return ()
    try:
        said = subprocess.run([tool, "-p"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(dict.fromkeys(Path(path).parent for path in re.findall(r"=> (/.*)$", said, re.MULTILINE)))


def version_of(path: Path) -> tuple[int, ...]:
    """The numbers behind ``.so.`` in a file's name, e.g. (10, 16, 1); empty where there are none."""
    match = re.search(r"\.so\.(\d+(?:\.\d+)*)$", path.name)
    return tuple(map(int, match.group(1).split("."))) if match else ()
