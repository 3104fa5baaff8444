"""Find and check the TensorRT libraries."""

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


def tensorrt(here: Host | None = None) -> Iterator[Finding]:
    """TensorRT, its parser, its plugin library and its builder resource, of one release."""
    here = here or Host()
    yield from examine_library(TENSORRT, here)
    for capability in capabilities(here) or [""]:
        yield from examine_resources(TENSORRT, here, capability)
    yield from numpy_beside(here)


def numpy_beside(here: Host) -> Iterator[Finding]:
    """What TensorRT 10 cannot do beside NumPy 2.

    Bindings before 10.16 misread its arrays. ``tensorrt.plugin`` turns arrays of one element into numbers, which NumPy
    2.4 no longer does.
    """
    packages, numpy = TENSORRT.installed(here), here.packages.get("numpy")
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
NEEDED = (
    "IProgressMonitor",
    "EngineInspector",
    "OnnxParser",
    "ExecutionContextAllocationStrategy",
    "IPluginV3",
    "ICudaEngine.device_memory_size_v2",
    "IExecutionContext.set_device_memory",
)
"""Without these a release is too old; they came with TensorRT 10.1 at the latest."""
FOR_OLD_BINDINGS = (
    "use TensorRT 10.16 or later, or a new virtual environment: pip install -e '.[cuda12]' 'numpy<2' (cuda for CUDA 13)"
)
"""In one that is there pip leaves packages that need NumPy 2."""


@dataclass(frozen=True)
class Library:
    """A module that has been imported.

    Attributes:
        trt: The module.
        title: As NVIDIA writes it.
        version: E.g. ``10.16.1.11``.
        capabilities: What it can do.
        logger: The ``ILogger`` of this process.
    """

    trt: ModuleType
    title: str
    version: str
    capabilities: Capabilities
    logger: JournalLogger

    @property
    def journal(self) -> Journal:
        """What it has said."""
        return self.logger.journal


@functools.cache
def load(name: str = "tensorrt") -> Library:
    """Import a module, once.

    Raises:
        UnavailableError: It is not installed, one of its libraries is not there, or it is too old.
    """
    load_lazily()  # CUDA reads this when it starts, which the import may do
    title = TITLES[name]
    try:
        trt = importlib.import_module(name)
    except (ImportError, OSError) as error:  # its package opens libraries by their paths too
        why = " ".join(str(error).split())
        raise UnavailableError(
            f"{title} cannot be loaded: {why}", f"+stage=doctor looks closer; pip install {name.replace('_', '-')}-cu13"
        ) from error
    return adopt(trt, title)


def adopt(trt: ModuleType, title: str = "TensorRT") -> Library:
    """Take a module that has been imported.

    Raises:
        UnavailableError: It is too old, for us or for the NumPy that is here.
    """
    version = str(getattr(trt, "__version__", "of an unknown version"))
    if missing := [name for name in NEEDED if not _has(trt, name)]:
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
    """Bindings before TensorRT 10.16 give arrays as their first element repeated where NumPy is 2.0 or later.

    The anchors of YoloLayer_TRT would be such an array, and every box wrong without an error.
    """
    given = np.arange(3, dtype=np.float32)
    field = trt.PluginField("probe", given, trt.PluginFieldType.FLOAT32)
    if not np.array_equal(np.asarray(field.data), given):
        raise UnavailableError(
            f"{title} misreads arrays of NumPy {np.__version__}: its bindings were made for another",
            FOR_OLD_BINDINGS,
        )
