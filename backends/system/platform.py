"""Operating system, C library, container and Python."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from backends.system.host import Host
from core.kinds.check import Finding, doubtful, fine

GLIBC = (2, 28)
"""Of the manylinux_2_28 wheels, in which PyTorch, ONNX Runtime and CuPy are published."""
WSL, APPTAINER = "WSL", "Apptainer"


def operating_system(here: Host | None = None) -> Iterator[Finding]:
    """System, architecture, C library, container."""
    here = here or Host()
    name = _pretty_name(here) or platform.system()
    kind = container(here)
    parts = [name, f"{platform.system()} {platform.release()}", platform.machine()]
    facts = {"system": name, "machine": platform.machine(), "container": kind, "glibc": _glibc()}
    found = ", ".join([*parts, f"glibc {facts['glibc']}" if facts["glibc"] else "no glibc", kind or "no container"])
    if platform.system() != "Linux":
        yield doubtful(
            "system", found, "hookline is made for Linux and tested on nothing else; on Windows use WSL 2", **facts
        )
    elif not facts["glibc"] or _numbers(facts["glibc"]) < GLIBC:
        needed = ".".join(map(str, GLIBC))
        remedy = (
            f"take a system with glibc {needed} or newer (Debian 10, Ubuntu 20.04, RHEL 8): PyTorch is built for it"
        )
        yield doubtful("system", found, remedy, **facts)
    else:
        yield fine("system", found, **facts)


def python(here: Host | None = None) -> Iterator[Finding]:
    """The interpreter, against what the package asks for."""
    here = here or Host()
    version = platform.python_version()
    place = f"{version} at {sys.executable}"
    wanted = required_python(here)
    if wanted and not _fits(version, wanted):
        yield doubtful(
            "Python",
            f"{place}; hookline is for {wanted}",
            f"make a virtual environment with Python {wanted}",
            version=version,
        )
    else:
        yield fine(
            "Python", place + ("" if sys.prefix != sys.base_prefix else ", no virtual environment"), version=version
        )


def container(here: Host) -> str:
    """What kind of container (or WSL) this is; empty where it is none. A container under WSL is told as a container."""
    if "KUBERNETES_SERVICE_HOST" in here.environment:
        return "Kubernetes"
    if here.path("/.dockerenv").exists():
        return "Docker"
    if here.path("/run/.containerenv").exists():
        return "Podman"
    if here.path("/.singularity.d").exists() or {"APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"} & set(
        here.environment
    ):
        return APPTAINER
    match = re.search(r"docker|kubepods|containerd|libpod|lxc", here.text("/proc/1/cgroup"))
    told = here.environment.get("container", "")
    kind = ("" if told == "wsl" else told) or (match.group() if match else "")  # systemd counts WSL as a container
    return kind or (WSL if is_wsl(here) else "")


def is_wsl(here: Host) -> bool:
    """Whether the kernel is that of WSL, on which containers may run in turn."""
    return "microsoft" in here.text("/proc/version").lower()


def required_python(here: Host) -> str:
    """``Requires-Python`` of the installed package; empty where it is not installed."""
    package = here.packages.get("hookline")
    match = package and re.search(r"^Requires-Python: (.*)$", metadata_text(package.metadata), re.MULTILINE)
    return match.group(1).strip() if match else ""


def metadata_text(folder: Path) -> str:
    """The text of a distribution's metadata."""
    for name in ("METADATA", "PKG-INFO"):
        try:
            return (folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
    return ""


def _fits(version: str, wanted: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(wanted).contains(version, prereleases=True)


def _pretty_name(here: Host) -> str:
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', here.text("/etc/os-release"), re.MULTILINE)
    return match.group(1) if match else ""


def _glibc() -> str:
    try:
        said = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return ""
    return said.removeprefix("glibc ")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
