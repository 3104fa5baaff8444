"""A fake machine of files: /proc, /dev, packages and native libraries."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from backends.system.host import Host
from core.kinds.check import Finding, State, Target

GCC = shutil.which("gcc")

MODULE = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (builder@host)"
"""Content of /proc/driver/nvidia/version."""
UUIDS = ("GPU-11111111-aaaa-bbbb-cccc-000000000000", "GPU-22222222-aaaa-bbbb-cccc-000000000000")


def asked(tmp_path: Path, **words: str) -> Target:
    """Return the target of a check; arguments such as ``device=cuda:1`` change it."""
    return Target(
        words.get("backend", "tensorrt"),
        words.get("processor", "cupy"),
        words.get("device", "auto"),
        tmp_path / "store",
    )


class Machine:
    """A machine that is built file by file; the checks examine :meth:`here`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.site = folder / "env" / "site-packages"
        self.site.mkdir(parents=True)
        self.root.mkdir()
        self.environment: dict[str, str] = {}

    def here(self) -> Host:
        """Return the current state of the machine."""
        return Host(self.root, self.environment, (self.site,))

    def write(self, place: str, text: str = "") -> Path:
        """Write a file below the root."""
        path = self.root / place.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def install(self, name: str, version: str, metadata: str = "") -> Path:
        """Write the metadata of a package, with lines such as ``Requires-Dist: numpy``."""
        folder = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}\n")
        return folder

    def module(self, name: str, code: str) -> None:
        """Write a Python module; its import may fail."""
        (self.site / f"{name}.py").write_text(code)

    def gpus(self, count: int = 1) -> None:
        """Write the kernel side of a driver: module, GPUs, device files."""
        self.write("/proc/driver/nvidia/version", MODULE)
        for number in range(count):
            place = f"/proc/driver/nvidia/gpus/0000:0{number}:00.0/information"
            self.write(place, f"Model: \t NVIDIA L4\nGPU UUID:  \t {UUIDS[number]}\nDevice Minor: \t {number}\n")
            self.write(f"/dev/nvidia{number}")
        self.write("/dev/nvidiactl")
        self.write("/dev/nvidia-uvm")

    def on_pci(self) -> None:
        """Write an NVIDIA GPU and a network card on the PCI bus."""
        for address, vendor, kind in (("0000:01:00.0", "0x10de", "0x030200"), ("0000:02:00.0", "0x8086", "0x020000")):
            self.write(f"/sys/bus/pci/devices/{address}/vendor", f"{vendor}\n")
            self.write(f"/sys/bus/pci/devices/{address}/class", f"{kind}\n")

    def driver_library(self, cuda: int = 13000, version: str = "580.95.05", folder: str = "/usr/lib64") -> Path:
        """Compile a ``libcuda.so.1`` that reports the version ``cuda``."""
        path = self.root / folder.lstrip("/") / f"libcuda.so.{version}"
        library(path, f"int cuDriverGetVersion(int *v) {{ *v = {cuda}; return 0; }}")
        path.with_name("libcuda.so.1").symlink_to(path.name)
        return path


def library(path: Path, source: str = "") -> Path:
    """Compile a shared library from C; skip the test without a compiler."""
    if GCC is None:
        pytest.skip("needs gcc")
    path.parent.mkdir(parents=True, exist_ok=True)
    code = path.with_name(f"{path.name}.c")
    code.write_text(source)
    subprocess.run([GCC, "-shared", "-fPIC", "-o", path, code], check=True)
    code.unlink()
    return path


def import_from(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let subprocesses of checks import from the machine's packages first."""
    import sys

    monkeypatch.setattr(sys, "path", [str(machine.site), *sys.path])


def states(findings: Iterable[Finding]) -> dict[str, State]:
    """Return states by subject; assert that each problem has a one-line remedy."""
    found = list(findings)
    assert all(finding.remedy for finding in found if finding.state is not State.ok)
    assert not any(os.linesep in finding.remedy + finding.found for finding in found)
    return {finding.subject: finding.state for finding in found}


def only(findings: Iterable[Finding]) -> Finding:
    """Return the only finding."""
    (finding,) = list(findings)
    states([finding])
    return finding
