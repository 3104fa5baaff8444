"""Checks of the host: operating system, Python, packages, shared memory, disk."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from backends.system.host import Host, with_versions
from backends.system.probing import examine_package
from core.kinds.check import Finding, Target, absent, broken, doubtful, fine

SHARED_MEMORY = 512 * 2**20
"""Bytes of /dev/shm below which training with several workers ends in a bus error; Docker gives 64 MiB."""
DISK_WARNING, DISK_ERROR = 5 * 2**30, 256 * 2**20
"""Free bytes below which training or an INT8 build may fail, and below which almost everything does."""


def system(host: Host | None = None) -> Iterator[Finding]:
    """Check the operating system."""
    host = host or Host()
    pretty = re.search(r'^PRETTY_NAME="?([^"\n]*)', host.text("/etc/os-release"), re.MULTILINE)
    name, glibc = pretty.group(1) if pretty else platform.system(), platform.libc_ver()[1]
    facts = {"system": name, "machine": platform.machine(), "container": host.container, "glibc": glibc}
    kernel = f"{platform.system()} {platform.release()}, {platform.machine()}"
    found = f"{name}, {kernel}, glibc {glibc or 'missing'}, {host.container or 'no container'}"
    if platform.system() == "Linux":
        yield fine("system", found, **facts)
    else:
        yield doubtful("system", found, "hookline is tested on Linux only; on Windows use WSL 2", **facts)


def packages(host: Host | None = None) -> Iterator[Finding]:
    """Check Python and the packages that hookline needs against their ranges."""
    host = host or Host()
    own = host.packages.get("hookline")
    if own is None:
        yield absent("packages", "hookline is not installed, so its requirements are unknown", "pip install -e .")
        return
    python, supported = platform.python_version(), own.metadata["Requires-Python"] or ""
    if SpecifierSet(supported).contains(python, prereleases=True):
        yield fine("Python", f"{python} at {sys.executable}", version=python)
    else:
        remedy = f"create a virtual environment with Python {supported}"
        yield doubtful("Python", f"{python}; hookline supports {supported}", remedy, version=python)
    requirements = [Requirement(text) for text in own.requires or ()]
    wanted = [item for item in requirements if item.marker is None or item.marker.evaluate({"extra": ""})]
    good = []
    for item in wanted:
        package = host.packages.get(canonicalize_name(item.name))
        if package and item.specifier.contains(package.version, prereleases=True):
            good.append(package)
        else:
            found = f"{package.version} is installed" if package else "not installed"
            yield broken(f"package {item.name}", f"{found}; {item} is needed", f"pip install '{item}'")
    if good:
        found = f"{len(good)} of {len(wanted)} are within their ranges: {with_versions(good)}"
        yield fine("packages", found, **{package.name: package.version for package in good})


def opencv(host: Host | None = None) -> Iterator[Finding]:
    """Check that there is one OpenCV package, and import it."""
    installed = (host or Host()).packages_like(r"opencv(-contrib)?-python(-headless)?(-rolling)?")
    yield examine_package("OpenCV", "cv2", installed, "pip install opencv-python")


def video(host: Host | None = None) -> Iterator[Finding]:
    """Import PyAV, which reads and writes video."""
    yield examine_package("PyAV", "av", (host or Host()).packages_like("av"), "pip install av")


def shared_memory(host: Host | None = None) -> Iterator[Finding]:
    """Check the size of /dev/shm."""
    folder = (host or Host()).path("/dev/shm")  # noqa: S108
    total = shutil.disk_usage(folder).total if folder.is_dir() else 0
    found = f"{size_text(total)} in {folder}"
    if total < SHARED_MEMORY:
        remedy = "docker run --shm-size=4g (or --ipc=host), or train.workers=0"
        yield doubtful("shared memory", f"{found}: too little for training with workers", remedy, bytes=str(total))
    else:
        yield fine("shared memory", found, bytes=str(total))


def disk(target: Target) -> Iterator[Finding]:
    """Check that the store can be written, and the free space."""
    folder = next(folder for folder in (target.store, *target.store.parents) if folder.is_dir())
    if not os.access(folder, os.W_OK):
        yield broken("disk", f"{folder} is not writable; the store is {target.store}", "set store=<another folder>")
        return
    free = shutil.disk_usage(folder).free
    found, remedy = f"{size_text(free)} free for the store {target.store}", "free space, or store=<on another disk>"
    if free < DISK_WARNING:
        yield (broken if free < DISK_ERROR else doubtful)("disk", found, remedy, bytes=str(free))
    else:
        yield fine("disk", found, bytes=str(free))


def size_text(count: int) -> str:
    """Return a number of bytes as text."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
