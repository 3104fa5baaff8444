"""Checks of TensorRT, for ``+stage=doctor``."""

from __future__ import annotations

from collections.abc import Iterator

from backends.nvidia.nvml import capabilities
from backends.system.here import Here
from backends.trt.library_checks import Product, examine_library, examine_resources
from core.checks import Asked, Finding, doubtful

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
_NUMPY = (2, 4)


def tensorrt(_asked: Asked, here: Here | None = None) -> Iterator[Finding]:
    """TensorRT, its parser, its plugin library and its builder resource, of one release."""
    here = here or Here()
    yield from examine_library(TENSORRT, here)
    for capability in capabilities(here) or [""]:
        yield from examine_resources(TENSORRT, here, capability)
    yield from numpy_beside(here)


def numpy_beside(here: Here) -> Iterator[Finding]:
    """``tensorrt.plugin`` of TensorRT 10 turns arrays of one element into numbers, which NumPy 2.4 no longer does."""
    packages, numpy = TENSORRT.installed(here), here.packages.get("numpy")
    if not packages or numpy is None or not packages[0].version.startswith("10."):
        return
    if tuple(int(number) for number in numpy.version.split(".")[:2] if number.isdecimal()) >= _NUMPY:
        yield doubtful(
            "NumPy",
            f"{numpy.version} beside TensorRT {packages[0].version}: plugins of tensorrt.plugin with int or float"
            " attributes fail (YoloLayer_TRT has none)",
            "pip install 'numpy<2.4', or TensorRT 11",
        )
