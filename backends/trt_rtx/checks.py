"""The check of TensorRT-RTX for ``+stage=doctor``."""

from __future__ import annotations

from collections.abc import Iterator

from backends.system.host import Host
from backends.trt.library_checks import Product, examine_library
from core.kinds.check import Finding

TENSORRT_RTX = Product(
    title="TensorRT-RTX",
    module="tensorrt_rtx",
    packages=r"tensorrt-rtx(-cu\d\d)?(-bindings|-libs)?",
    install="tensorrt-rtx-cu13",
    library="tensorrt_rtx",
)


def tensorrt_rtx(host: Host | None = None) -> Iterator[Finding]:
    """Check TensorRT-RTX and its parser: both of one release."""
    yield from examine_library(TENSORRT_RTX, host or Host())
