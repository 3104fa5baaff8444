"""Facts about NVIDIA's driver that files give. Nothing is loaded, so that reading them takes milliseconds."""

from __future__ import annotations

import platform
import re
import subprocess
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from backends.system.host import APPTAINER, WSL, Host

ARM = "/usr/lib/aarch64-linux-gnu"
FOLDERS = ("/usr/lib/x86_64-linux-gnu", ARM, "/usr/lib64", "/usr/lib/wsl/lib", f"{ARM}/tegra", f"{ARM}/nvidia")
"""Where drivers install ``libcuda.so``, searched after LD_LIBRARY_PATH and the cache of the loader."""


@dataclass(frozen=True)
class Driver:
    """The driver of a host."""

    host: Host

    @cached_property
    def module(self) -> str:
        """Version of the kernel module; empty where none is loaded."""
        version = re.search(r"\s(\d{3}\.\d+(?:\.\d+)?)\s", self.host.text("/proc/driver/nvidia/version"))
        return version.group(1) if version else self.host.text("/sys/module/nvidia/version")

    @cached_property
    def libraries(self) -> tuple[Path, ...]:
        """Files ``libcuda.so*`` in the order of the loader, links resolved."""
        given = filter(None, self.host.environment.get("LD_LIBRARY_PATH", "").split(":"))
        folders = [*map(Path, given), *_cached_folders(self.host.root), *map(self.host.path, FOLDERS)]
        found = (path.resolve() for folder in folders for path in sorted(folder.glob("libcuda.so*")))
        return tuple(dict.fromkeys(path for path in found if path.is_file() and "stubs" not in path.parts))

    @property
    def own_libraries(self) -> tuple[Path, ...]:
        """Libraries of a driver; images of CUDA have one for forward compatibility, which needs a driver."""
        return tuple(path for path in self.libraries if "compat" not in path.parts)

    @cached_property
    def jetson(self) -> str:
        """Name of the Jetson board; empty on other machines. A container sees its files, and not its model."""
        model = self.host.text("/proc/device-tree/model")
        files = ("/etc/nv_tegra_release", "/dev/nvgpu", "/dev/nvhost-gpu")
        on_board = [*map(Path.exists, map(self.host.path, files)), *("tegra" in path.parts for path in self.libraries)]
        return (model or "Jetson") if any(on_board) or re.search("jetson|tegra", model, re.IGNORECASE) else ""

    @property
    def present(self) -> bool:
        """Whether there is any part of a driver."""
        return bool(self.module or self.own_libraries or self.jetson)

    @property
    def integrated_gpu(self) -> str:
        """Name of a GPU that works where NVML does not list it, on a Jetson or under WSL; empty on other machines."""
        return (self.jetson or ("the GPU of Windows" if self.host.wsl else "")) if self.own_libraries else ""

    @property
    def on_pci(self) -> bool:
        """Whether an NVIDIA GPU is on the PCI bus."""
        vendors = self.host.path("/sys/bus/pci/devices").glob("*/vendor")
        found = [path for path in vendors if path.read_text(encoding="utf-8").strip() == "0x10de"]
        kinds = [path.with_name("class").read_text(encoding="utf-8") for path in found]
        return any(kind.startswith(("0x0300", "0x0302")) for kind in kinds)  # displays and 3D controllers

    @property
    def in_container(self) -> bool:
        """Whether the driver comes from the host of a container; WSL is none."""
        return self.host.container not in {"", WSL}

    @property
    def with_gpus(self) -> str:
        """How to start this kind of container with GPUs."""
        if self.host.container == APPTAINER:
            return "apptainer run --nv"
        return "docker run --gpus all (nvidia-container-toolkit on the host), or nvidia.com/gpu in the pod's limits"


def library_version(path: Path) -> str:
    """Return the version of the driver in a name such as ``libcuda.so.580.95.05``; empty for ``libcuda.so.1``."""
    version = re.search(r"\.so\.(\d{3}\.[\d.]+)$", path.name)
    return version.group(1) if version else ""


@lru_cache
def _cached_folders(root: Path) -> tuple[Path, ...]:
    """Return the folders of the 64-bit libcuda in the cache of the loader."""
    try:
        command = [str(root / "sbin" / "ldconfig"), "-p"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    architecture = {"x86_64": "x86-64", "aarch64": "AArch64"}.get(platform.machine(), "")
    entries = re.findall(r"libcuda\.so\S* \(([^)]*)\) => (/.*)$", done.stdout, re.MULTILINE)
    return tuple(Path(path).parent for flags, path in entries if architecture in flags)
