"""Checks of TensorRT, for ``+stage=doctor``."""

from __future__ import annotations

from collections.abc import Iterator

from backends.nvidia.nvml import capabilities
from backends.system.here import Here, Package
from backends.trt.library import FOR_OLD_BINDINGS
from backends.trt.library_checks import Product, examine_library, examine_resources
from core.checks import Finding, broken, doubtful

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


def tensorrt(here: Here | None = None) -> Iterator[Finding]:
    """TensorRT, its parser, its plugin library and its builder resource, of one release."""
    here = here or Here()
    yield from examine_library(TENSORRT, here)
    for capability in capabilities(here) or [""]:
        yield from examine_resources(TENSORRT, here, capability)
    yield from numpy_beside(here)


def numpy_beside(here: Here) -> Iterator[Finding]:
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
