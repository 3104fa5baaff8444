"""Import TensorRT or TensorRT-RTX, check that this release can be used, and check its installation for the doctor."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution
from types import ModuleType

import numpy as np

from backends.nvidia.nvml import query_nvml
from backends.system.host import Host
from backends.trt.capabilities import Capabilities, read_capabilities
from backends.trt.library_checks import Product, examine_library
from backends.trt.logger import Journal, JournalLogger, make_logger
from core.errors import UnavailableError
from core.kinds.check import Finding, broken, doubtful

TENSORRT = Product(
    title="TensorRT",
    module="tensorrt",
    packages=r"tensorrt(-cu\d\d)?(-bindings|-libs)?",
    install="tensorrt-cu13",
    library="nvinfer",
)


def tensorrt(host: Host | None = None) -> Iterator[Finding]:
    """Check TensorRT, its builder resource for each GPU, and NumPy."""
    host = host or Host()
    yield from examine_library(TENSORRT, host, _capabilities())
    yield from check_numpy(host)


def _capabilities() -> list[str]:
    """Return the compute capabilities of the GPUs; one empty text where they are unknown."""
    try:
        return sorted({gpu.capability for gpu in query_nvml() if gpu.capability}) or [""]
    except UnavailableError:
        return [""]


def check_numpy(host: Host) -> Iterator[Finding]:
    """Check NumPy against TensorRT 10.

    Bindings before 10.16 misread arrays of NumPy 2. ``tensorrt.plugin`` turns arrays of one element into numbers, which
    NumPy 2.4 refuses.
    """
    packages, numpy = host.packages_like(TENSORRT.packages), host.packages.get("numpy")
    if not packages or numpy is None or not packages[0].version.startswith("10."):
        return
    found = f"{numpy.version} with TensorRT {packages[0].version}"
    if _release(numpy) >= (2, 0) and _release(packages[0]) < (10, 16):
        yield broken("NumPy", f"{found}: these bindings misread its arrays", FOR_OLD_BINDINGS)
    elif _release(numpy) >= (2, 4):
        found = f"{found}: plugins of tensorrt.plugin with int or float attributes fail (YoloLayer_TRT has none)"
        yield doubtful("NumPy", found, "pip install 'numpy<2.4', or TensorRT 11")


def _release(package: Distribution) -> tuple[int, ...]:
    return tuple(int(number) for number in package.version.split(".")[:2] if number.isdecimal())


TITLES = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT-RTX"}
REQUIRED = (
    "IProgressMonitor",
    "EngineInspector",
    "OnnxParser",
    "ExecutionContextAllocationStrategy",
    "IPluginV3",
    "ICudaEngine.device_memory_size_v2",
    "IExecutionContext.set_device_memory",
)
"""Without these a release is too old; TensorRT 10.1 has them all."""
FOR_OLD_BINDINGS = (
    "use TensorRT 10.16 or later, or a new virtual environment: pip install -e '.[cuda12]' 'numpy<2' (cuda for CUDA 13)"
)
"""In an existing environment pip keeps packages that need NumPy 2."""


@dataclass(frozen=True)
class Library:
    """An imported module.

    Attributes:
        trt: The module.
        title: Name as NVIDIA writes it.
        version: E.g. ``10.16.1.11``.
        capabilities: Features of the release.
        logger: The ``ILogger`` of this process.
    """

    trt: ModuleType
    title: str
    version: str
    capabilities: Capabilities
    logger: JournalLogger

    @property
    def journal(self) -> Journal:
        """Messages of the library."""
        return self.logger.journal


@functools.cache
def load(name: str = "tensorrt") -> Library:
    """Import a module once.

    Raises:
        UnavailableError: It is not installed, one of its libraries is missing, or it is too old.
    """
    os.environ.setdefault("CUDA_MODULE_LOADING", "LAZY")  # CUDA reads it when it starts, which the import may do
    title = TITLES[name]
    try:
        trt = importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: the package opens libraries by path
        why = " ".join(str(error).split())
        raise UnavailableError(
            f"{title} cannot be loaded: {why}", f"see +stage=doctor; pip install {name.replace('_', '-')}-cu13"
        ) from error
    return adopt(trt, title)


def adopt(trt: ModuleType, title: str = "TensorRT") -> Library:
    """Check an imported module.

    Raises:
        UnavailableError: It is too old, for hookline or for the installed NumPy.
    """
    version = str(getattr(trt, "__version__", "of an unknown version"))
    if missing := [name for name in REQUIRED if not _has(trt, name)]:
        raise UnavailableError(
            f"{title} {version} is too old: it has no {missing[0]}",
            "pip install -U tensorrt-cu13 (tensorrt-cu12 for CUDA 12)",
        )
    _check_arrays(trt, f"{title} {version}")
    return Library(trt, title, version, read_capabilities(trt), make_logger(trt))


def _has(trt: ModuleType, path: str) -> bool:
    owner, _, name = path.partition(".")
    return hasattr(trt, owner) and (not name or hasattr(getattr(trt, owner), name))


def _check_arrays(trt: ModuleType, title: str) -> None:
    """Refuse bindings that repeat the first element of an array: TensorRT before 10.16 with NumPy 2.

    The anchors of YoloLayer_TRT are an array, so every box would be wrong without an error.
    """
    given = np.arange(3, dtype=np.float32)
    field = trt.PluginField("probe", given, trt.PluginFieldType.FLOAT32)
    if not np.array_equal(np.asarray(field.data), given):
        raise UnavailableError(
            f"{title} misreads arrays of NumPy {np.__version__}: its bindings are for another release",
            FOR_OLD_BINDINGS,
        )
