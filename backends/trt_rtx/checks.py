"""Checks of TensorRT-RTX, for ``+stage=doctor``."""

from __future__ import annotations

from collections.abc import Iterator

from backends.system.here import Here
from backends.trt.library_checks import Product, examine_library
from core.checks import Finding

TENSORRT_RTX = Product(
    title="TensorRT-RTX",
    module="tensorrt_rtx",
    packages=r"tensorrt-rtx(-cu\d\d)?(-bindings|-libs)?",
    install="tensorrt-rtx-cu13",
    folder="tensorrt_rtx_libs",
    libraries=("tensorrt_rtx", "tensorrt_onnxparser_rtx"),
)


def tensorrt_rtx(here: Here | None = None) -> Iterator[Finding]:
    """TensorRT-RTX and its parser, of one release."""
    yield from examine_library(TENSORRT_RTX, here or Here())
