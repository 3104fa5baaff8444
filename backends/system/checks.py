"""Checks of the host: operating system, Python, packages, shared memory, disk."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator

from backends.system.host import Host, with_versions
from backends.system.probing import remedy_for, run_probe
from core.kinds.check import Finding, Target, absent, broken, doubtful, fine

GLIBC = (2, 28)
"""Minimum of the manylinux_2_28 wheels, in which PyTorch, ONNX Runtime and CuPy are published."""
SHARED_MEMORY = 512 * 2**20
"""Bytes of /dev/shm below which training with several workers ends in a bus error; Docker gives 64 MiB."""
DISK_WARNING, DISK_ERROR = 5 * 2**30, 256 * 2**20
"""Free bytes below which training or an INT8 build may fail, and below which almost everything does."""
CODECS = ("h264", "hevc", "mjpeg", "av1", "vp9")
SYSTEM_PACKAGES = {"libGL.so.1": "libgl1", "libgthread-2.0.so.0": "libglib2.0-0", "libxcb.so.1": "libxcb1"}


def system(host: Host | None = None) -> Iterator[Finding]:
    """Check operating system and C library."""
    host = host or Host()
    pretty = re.search(r'^PRETTY_NAME="?([^"\n]*)', host.text("/etc/os-release"), re.MULTILINE)
    name, glibc = pretty.group(1) if pretty else platform.system(), platform.libc_ver()[1]
    parts = [name, f"{platform.system()} {platform.release()}", platform.machine(), f"glibc {glibc or 'missing'}"]
    facts = {"system": name, "machine": platform.machine(), "container": host.container, "glibc": glibc}
    found = ", ".join([*parts, host.container or "no container"])
    if platform.system() != "Linux":
        yield doubtful("system", found, "hookline is tested on Linux only; on Windows use WSL 2", **facts)
    elif tuple(map(int, re.findall(r"\d+", glibc))) < GLIBC:
        remedy = "use a system with glibc 2.28 or newer (Debian 10, Ubuntu 20.04, RHEL 8): PyTorch needs it"
        yield doubtful("system", found, remedy, **facts)
    else:
        yield fine("system", found, **facts)


def python(host: Host | None = None) -> Iterator[Finding]:
    """Check the interpreter against ``Requires-Python`` of hookline."""
    from packaging.specifiers import SpecifierSet

    own = (host or Host()).packages.get("hookline")
    wanted = (own and own.metadata["Requires-Python"]) or ""
    version = platform.python_version()
    found = f"{version} at {sys.executable}" + ("" if sys.prefix != sys.base_prefix else ", no virtual environment")
    if SpecifierSet(wanted).contains(version, prereleases=True):
        yield fine("Python", found, version=version)
    else:
        remedy = f"create a virtual environment with Python {wanted}"
        yield doubtful("Python", f"{found}; hookline supports {wanted}", remedy, version=version)


def packages(host: Host | None = None) -> Iterator[Finding]:
    """Check the version of every package that hookline needs."""
    from packaging.requirements import Requirement

    host = host or Host()
    own = host.packages.get("hookline")
    if own is None:
        remedy = "pip install -e . in its folder"
        yield absent("packages", "hookline is not installed as a package: its requirements are unknown", remedy)
        return
    wanted = [Requirement(text) for text in own.requires or ()]
    wanted = [item for item in wanted if item.marker is None or item.marker.evaluate({"extra": ""})]
    good = []
    for item in wanted:
        package = host.packages.get(re.sub(r"[-_.]+", "-", item.name).lower())
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
    host = host or Host()
    installed = host.packages_like(r"opencv(-contrib)?-python(-headless)?(-rolling)?")
    if not installed:
        return  # the check ``packages`` reports it
    if len(installed) > 1:
        names = " ".join(package.name for package in installed)
        found = f"{len(installed)} packages write the folder cv2, and the last one won: {with_versions(installed)}"
        yield broken("OpenCV", found, f"pip uninstall -y {names} && pip install opencv-python")
        return
    read, error = run_probe("import cv2, json; print(json.dumps([cv2.__version__, cv2.__file__]))")
    if error:
        remedy = "pip install --force-reinstall opencv-python"
        if library := re.search(r"lib[\w.+-]+\.so[.\d]*", error):
            name = SYSTEM_PACKAGES.get(library.group(), f"the package that has {library.group()}")
            remedy = f"apt-get install {name} (or its name on your system)"
        yield broken("OpenCV", f"{with_versions(installed)} cannot be imported: {error}", remedy_for(error, remedy))
    else:
        yield fine("OpenCV", f"{read[0]} at {read[1]}", version=read[0], path=read[1])


def video(host: Host | None = None) -> Iterator[Finding]:
    """Check the decoders of PyAV, and the encoder that predict prefers."""
    if "av" not in (host or Host()).packages:
        return
    read, error = run_probe("import av, json; print(json.dumps([av.__version__, sorted(av.codecs_available)]))")
    if error:
        remedy = remedy_for(error, "pip install --force-reinstall av")
        yield broken("video", f"PyAV cannot be imported: {error}", remedy)
        return
    version, codecs = read
    missing = [f"decoder {name}" for name in CODECS if name not in codecs]
    if "libx264" not in codecs:
        missing.append("encoder libx264, so that predict writes MPEG-4, in larger files")
    if missing:
        remedy = "pip install --force-reinstall --only-binary av av"
        yield doubtful("video", f"PyAV {version} has no {', no '.join(missing)}", remedy, version=version)
    else:
        yield fine("video", f"PyAV {version}; all decoders, encoder libx264", version=version)


def shared_memory(host: Host | None = None) -> Iterator[Finding]:
    """Check the size of /dev/shm."""
    folder = (host or Host()).path("/dev/shm")  # noqa: S108
    try:
        total = shutil.disk_usage(folder).total
    except OSError as error:
        yield absent("shared memory", f"no {folder} ({error.strerror})", "mount a tmpfs there, or train.workers=0")
        return
    found = f"{size_text(total)} in {folder}"
    if total < SHARED_MEMORY:
        remedy = "docker run --shm-size=4g (or --ipc=host), or train.workers=0"
        yield doubtful("shared memory", f"{found}: too little for training with workers", remedy, bytes=str(total))
    else:
        yield fine("shared memory", found, bytes=str(total))


def disk(asked: Target) -> Iterator[Finding]:
    """Check that the store can be written, and the free space."""
    folder = next(folder for folder in (asked.store, *asked.store.parents) if folder.is_dir())
    if not os.access(folder, os.W_OK):
        yield broken("disk", f"{folder} is not writable; the store is {asked.store}", "set store=<another folder>")
        return
    free = shutil.disk_usage(folder).free
    found, remedy = f"{size_text(free)} free for the store {asked.store}", "free space, or store=<on another disk>"
    if free < DISK_WARNING:
        yield (broken if free < DISK_ERROR else doubtful)("disk", found, remedy, bytes=str(free))
    else:
        yield fine("disk", found, bytes=str(free))


def size_text(count: int) -> str:
    """Return a number of bytes as text."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
