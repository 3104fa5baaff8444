"""Import TensorRT or TensorRT-RTX, and check that this release can be used."""

from __future__ import annotations

import functools
import importlib
import os
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from backends.trt.capabilities import Capabilities, read_capabilities
from backends.trt.library_checks import FOR_OLD_BINDINGS
from backends.trt.logger import Journal, JournalLogger, make_logger
from core.errors import UnavailableError

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
