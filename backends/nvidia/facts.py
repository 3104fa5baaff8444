"""What the system says of NVIDIA's driver without loading any of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from backends.system.host import Host
from backends.system.libraries import find_libraries, version_of
from backends.system.native import Answer, ask
from backends.system.platform import APPTAINER, WSL, container, is_wsl

WITH_GPUS = "docker run --gpus all (nvidia-container-toolkit on the host), or nvidia.com/gpu in the pod's limits"
"""How a container gets GPUs."""
WITH_NV = "apptainer run --nv (singularity run --nv)"
ON_WINDOWS = "install NVIDIA's driver for Windows, then in Windows: wsl --update, wsl --shutdown, and start WSL again"
"""What WSL needs: its GPUs are served by the driver of Windows."""


@dataclass(frozen=True)
class Driver:
    """What there is of a driver.

    Attributes:
        module: Version of the kernel module; empty where none is loaded.
        libraries: Files ``libcuda.so*``, the one that a program gets at the front.
        pci: NVIDIA GPUs on the PCI bus.
        nouveau: The kernel's own driver is loaded.
        jetson: What the board calls itself; empty where it is none.
        container: What kind of container this is, or ``WSL``; empty where it is neither.
        wsl: The kernel is that of WSL, in a container or not.
    """

    module: str
    libraries: tuple[Path, ...]
    pci: int
    nouveau: bool
    jetson: str
    container: str
    wsl: bool

    @property
    def in_container(self) -> bool:
        """Whether this is a container, which gets its driver from a host; WSL is none."""
        return self.container not in {"", WSL}

    @property
    def with_gpus(self) -> str:
        """How this kind of container gets GPUs."""
        return WITH_NV if self.container == APPTAINER else WITH_GPUS

    @property
    def own_libraries(self) -> tuple[Path, ...]:
        """Those of a driver; images of CUDA hold one for forward compatibility, which serves nothing by itself."""
        return tuple(path for path in self.libraries if not is_forward(path))

    @property
    def there(self) -> bool:
        """Whether anything of a driver is to be seen; without it most checks have nothing to look at."""
        return bool(self.module or self.own_libraries or self.jetson)

    @property
    def shared(self) -> bool:
        """The kernel side belongs to Windows or to the board, and is not told in the usual files."""
        return self.wsl or bool(self.jetson)


def driver_facts(here: Host) -> Driver:
    """Read them."""
    libraries = tuple(find_libraries("libcuda.so*", here))
    return Driver(
        module=module_version(here),
        libraries=libraries,
        pci=_on_pci(here),
        nouveau=here.path("/sys/module/nouveau").exists(),
        jetson=_jetson(here, libraries),
        container=container(here),
        wsl=is_wsl(here),
    )


def is_forward(path: Path) -> bool:
    """Whether a library is of NVIDIA's package cuda-compat, which is meant to be newer than the kernel module."""
    return "compat" in path.parts


def module_version(here: Host) -> str:
    """Version of the loaded kernel module, e.g. 580.95.05; empty where none is loaded."""
    said = here.text("/proc/driver/nvidia/version")
    match = re.search(r"\s(\d{3}\.\d+(?:\.\d+)?)\s", said)
    return match.group(1) if match else here.text("/sys/module/nvidia/version")


def library_version(path: Path) -> str:
    """Version of the driver that a ``libcuda.so.580.95.05`` belongs to; empty where its name does not tell."""
    numbers = re.search(r"\.so\.(\d{3}\.[\d.]+)$", path.name)
    return numbers.group(1) if numbers else ""


def driver_cuda(driver: Driver) -> tuple[Answer, tuple[int, int] | None]:
    """The newest CUDA that the driver serves, asked of its library without opening a device."""
    answer = ask(
        driver.libraries[0] if driver.libraries else "libcuda.so.1", function="cuDriverGetVersion", arguments=1
    )
    if answer.error or answer.status or not answer.values or not answer.values[0]:
        return answer, None
    return answer, cuda_version(answer.values[0])


def cuda_version(number: int) -> tuple[int, int]:
    """13020 -> (13, 2)."""
    return number // 1000, number % 1000 // 10


def library_major(path: Path) -> int:
    """The major version of CUDA behind ``.so.``; 0 where the name does not tell."""
    return (version_of(path) or (0,))[0]


def _on_pci(here: Host) -> int:
    count = 0
    for device in here.path("/sys/bus/pci/devices").glob("*"):
        place = str(device).removeprefix(str(here.root))
        displays = here.text(f"{place}/class").startswith(("0x0300", "0x0302"))
        count += displays and here.text(f"{place}/vendor") == "0x10de"
    return count


def _jetson(here: Host, libraries: Iterable[Path]) -> str:
    """A container is not shown the tree of devices, but gets the files of the board."""
    model = here.text("/proc/device-tree/model")
    if release := here.text("/etc/nv_tegra_release"):
        numbers = re.search(r"R(\d+).*?REVISION:\s*([\d.]+)", release)
        linux = f", Jetson Linux {numbers.group(1)}.{numbers.group(2)}" if numbers else ""
        return (model or "Jetson") + linux
    if re.search(r"jetson|tegra", model, re.IGNORECASE):
        return model
    on_board = any(here.path(place).exists() for place in ("/dev/nvgpu", "/dev/nvhost-gpu"))
    return "Jetson" if on_board or any("tegra" in path.parts for path in libraries) else ""
