"""Import TensorRT or TensorRT-RTX, and check that the installation is complete."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from backends.nvidia.devices import load_lazily
from backends.nvidia.nvml import capabilities
from backends.system.host import Host, Package
from backends.trt.capabilities import Capabilities, read_capabilities
from backends.trt.library_checks import Product, examine_library, examine_resources
from backends.trt.logger import Journal, JournalLogger, make_logger
from core.errors import UnavailableError
from core.kinds.check import Finding, broken, doubtful

TENSORRT = Product(
    title="TensorRT",
    module="tensorrt",
    packages=r"tensorrt(-cu\d\d)?(-bindings|-libs)?",
    install="tensorrt-cu13",
    folder="tensorrt_libs",
    libraries=("nvinfer", "nvinfer_plugin", "nvonnxparser"),
    resources="nvinfer_builder_resource",
    older=" (tensorrt-cu12 for CUDA 12)",
)


def tensorrt(host: Host | None = None) -> Iterator[Finding]:
    """Check TensorRT, its parser, its plugin library and its builder resource: all of one release."""
    host = host or Host()
    yield from examine_library(TENSORRT, host)
    for capability in capabilities(host) or [""]:
        yield from examine_resources(TENSORRT, host, capability)
    yield from numpy_conflicts(host)


def numpy_conflicts(host: Host) -> Iterator[Finding]:
    """Check TensorRT 10 against NumPy 2.

    Bindings before 10.16 misread NumPy arrays. ``tensorrt.plugin`` converts arrays of one element to numbers, which
    NumPy 2.4 no longer supports.
    """
    packages, numpy = TENSORRT.installed(host), host.packages.get("numpy")
    if not packages or numpy is None or not packages[0].version.startswith("10."):
        return
    both = f"{numpy.version} with TensorRT {packages[0].version}"
    if _release(numpy) >= (2, 0) and _release(packages[0]) < (10, 16):
        yield broken("NumPy", f"{both}, whose bindings misread its arrays", FOR_OLD_BINDINGS)
    elif _release(numpy) >= (2, 4):
        yield doubtful(
            "NumPy",
            f"{both}: plugins of tensorrt.plugin with int or float attributes fail (YoloLayer_TRT has none)",
            "pip install 'numpy<2.4', or TensorRT 11",
        )


def _release(package: Package) -> tuple[int, ...]:
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
"""Required names. TensorRT 10.1 has all of them."""
FOR_OLD_BINDINGS = (
    "use TensorRT 10.16 or later, or a new virtual environment: pip install -e '.[cuda12]' 'numpy<2' (cuda for CUDA 13)"
)
"""A new environment, because pip does not downgrade packages that need NumPy 2."""


@dataclass(frozen=True)
class Library:
    """An imported TensorRT module.

    Attributes:
        trt: The module.
        title: The product name.
        version: For example ``10.16.1.11``.
        capabilities: What this release supports.
        logger: The ``ILogger`` of this process.
    """

    trt: ModuleType
    title: str
    version: str
    capabilities: Capabilities
    logger: JournalLogger

    @property
    def journal(self) -> Journal:
        """The messages that the library has logged."""
        return self.logger.journal


@functools.cache
def load(name: str = "tensorrt") -> Library:
    """Import TensorRT or TensorRT-RTX once per process.

    Raises:
        UnavailableError: It is not installed, one of its libraries is missing, or it is too old.
    """
    load_lazily()  # CUDA reads this setting when it starts, which the import may cause
    title = TITLES[name]
    try:
        trt = importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: the package loads libraries by path
        reason = " ".join(str(error).split())
        raise UnavailableError(
            f"{title} cannot be loaded: {reason}",
            f"run +stage=doctor for details, or pip install {name.replace('_', '-')}-cu13",
        ) from error
    return adopt(trt, title)


def adopt(trt: ModuleType, title: str = "TensorRT") -> Library:
    """Return the library of an imported module.

    Raises:
        UnavailableError: It is too old for hookline or for the installed NumPy.
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
    """Refuse bindings that misread NumPy arrays: before TensorRT 10.16, NumPy 2 arrays repeat their first element.

    The anchors of YoloLayer_TRT are such an array, so every box would be wrong without an error.
    """
    given = np.arange(3, dtype=np.float32)
    field = trt.PluginField("probe", given, trt.PluginFieldType.FLOAT32)
    if not np.array_equal(np.asarray(field.data), given):
        raise UnavailableError(
            f"{title} misreads arrays of NumPy {np.__version__}: its bindings were built for NumPy 1",
            FOR_OLD_BINDINGS,
        )
