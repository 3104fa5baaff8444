"""Where the shared libraries of CUDA and TensorRT lie: in Python packages, on the loader's path, in usual folders.

The order is that of cuda-pathfinder, by which CuPy loads: Python packages, conda, the loader, then ``CUDA_PATH`` or
``CUDA_HOME``. torch and TensorRT load what was installed with them first, too.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

from backends.system.host import Host

PACKAGED = ("nvidia/*/lib", "tensorrt_libs", "tensorrt_rtx_libs", "tensorrt_lean_libs")
"""Folders of Python packages that hold shared libraries, below a site folder."""

SYSTEM = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64")
"""Folders that the loader searches everywhere."""

USUAL = (
    "/usr/local/cuda/lib64",
    "/usr/local/cuda/lib",
    "/usr/lib/wsl/lib",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib64-nvidia",
    "/usr/local/nvidia/lib64",
    "/usr/local/tensorrt/lib",
    "/opt/tensorrt/lib",
    "/run/opengl-driver/lib",
)
"""Folders in which installers and container images put them, and which a loader searches where it is told to.

``/usr/local/cuda/compat`` is none of them: every image of CUDA holds a libcuda there, with or without a driver, and a
program gets it only where the loader is told of it.
"""

FLAGS = {"x86_64": "x86-64", "aarch64": "AArch64"}
"""How the loader's cache marks what a 64-bit program can load, by ``platform.machine()``."""


def find_libraries(name: str, here: Host, usual: Sequence[str] = USUAL) -> list[Path]:
    """All files of a library, the one that a program gets first at the front.

    Args:
        name: Glob of the file name, e.g. ``libcudart.so*``.
        here: The machine.
        usual: Folders besides those that are searched by themselves.

    Returns:
        Paths with links resolved, each once; stub libraries, which only link, are left out.
    """
    folders = [
        *packaged_folders(here),
        *conda_folders(here),
        *loader_folders(here, name),
        *(folder / library for folder in toolkits(here) for library in ("lib64", "lib")),
        *(here.path(folder) for folder in usual),
    ]
    found = (path.resolve() for folder in dict.fromkeys(folders) for path in sorted(folder.glob(name), key=_shortest))
    return list(dict.fromkeys(path for path in found if path.is_file() and "stubs" not in path.parts))


def _shortest(path: Path) -> tuple[int, str]:
    """``libx.so`` and ``libx.so.13`` before what they link to."""
    return len(path.name), path.name


def loader_folders(here: Host, name: str = "*") -> list[Path]:
    """Where the loader finds a library: ``LD_LIBRARY_PATH``, its cache, and what it searches everywhere.

    Args:
        here: The machine.
        name: Glob of the file name: of several folders in the cache, that of the one which a program gets is the first.
    """
    given = here.environment.get("LD_LIBRARY_PATH", "").split(":")
    cached = _cache(here.root)
    ranked = [*(path for path in cached if fnmatch(path.name, name)), *cached]
    system = (here.path(folder) for folder in SYSTEM)
    return list(
        dict.fromkeys([*(Path(folder) for folder in given if folder), *(path.parent for path in ranked), *system])
    )


def packaged_folders(here: Host) -> list[Path]:
    """Folders of Python packages that hold shared libraries."""
    return [folder for site in here.site for pattern in PACKAGED for folder in sorted(site.glob(pattern))]


def conda_folders(here: Host) -> list[Path]:
    """The folder of libraries of the active conda environment."""
    prefix = here.environment.get("CONDA_PREFIX")
    return [Path(prefix) / "lib"] if prefix else []


def toolkits(here: Host) -> list[Path]:
    """Roots of CUDA toolkits that the environment names; CuPy takes the first."""
    return [Path(root) for name in ("CUDA_PATH", "CUDA_HOME") if (root := here.environment.get(name))]


@lru_cache
def _cache(root: Path) -> tuple[Path, ...]:
    """The cache of the loader, as ``ldconfig`` prints it, without 32-bit libraries."""
    tool = next(
        (path for name in ("sbin", "usr/sbin", "bin") if os.access(path := root / name / "ldconfig", os.X_OK)), None
    )
    if tool is None:
        return ()
    try:
        said = subprocess.run(
            [tool, "-p"], capture_output=True, encoding="utf-8", errors="replace", timeout=5, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    flag = FLAGS.get(platform.machine(), "")
    entries = re.findall(r"\(([^)]*)\) => (/.*)$", said, re.MULTILINE)
    return tuple(Path(path) for flags, path in entries if flag in flags)


def version_of(path: Path) -> tuple[int, ...]:
    """The numbers behind ``.so.`` in a file's name, e.g. (10, 16, 1); empty where there are none."""
    match = re.search(r"\.so\.(\d+(?:\.\d+)*)$", path.name)
    return tuple(map(int, match.group(1).split("."))) if match else ()
