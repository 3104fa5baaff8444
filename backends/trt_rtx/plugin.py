"""The runtime ``tensorrt_rtx``: engines for RTX cards from a machine that needs no GPU."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from backends.gpu.plugin import check_device as check_gpu
from backends.system.host import Host
from backends.trt.library_checks import Product, examine_library
from backends.trt.options import STYLE
from backends.trt_rtx.options import CURRENT, TrtRtxOptions
from core.errors import HooklineError, UnavailableError
from core.kinds.check import Finding
from core.kinds.part import Availability
from core.kinds.runtime import Runtime
from core.model_facts import Precision
from core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from backends.trt_rtx.runtime import TensorRtRtx

INSTALL = "pip install tensorrt-rtx-cu13 (Linux on x86-64, or Windows); a build needs none"


def probe() -> Availability:
    """Look for the package without importing it."""
    if importlib.util.find_spec("tensorrt_rtx") is None:
        return Availability(usable=False, reason="TensorRT-RTX is not installed", hint=INSTALL)
    return Availability(usable=True, reason="the package tensorrt_rtx is installed")


def portable(options: TrtRtxOptions) -> frozenset[str]:
    """Engines for cards that are named are the same wherever they are built."""
    return frozenset() if CURRENT in options.compute_capabilities else frozenset({"card"})


def check_build(options: TrtRtxOptions) -> Iterable[HooklineError]:
    """Yield cards that the library does not know, and ``current`` where there is none; ``device`` says which it is."""
    if not (options.compute_capabilities and probe().usable):
        return
    from backends.trt.library import load as load_library
    from backends.trt_rtx.targets import read_targets

    alone = options.compute_capabilities == [CURRENT]
    try:
        read_targets(options.compute_capabilities, load_library("tensorrt_rtx").trt)
    except HooklineError as problem:
        if not alone or isinstance(problem, UnavailableError):
            yield problem


def check_device(device: str) -> Iterable[HooklineError]:
    """Why there is no GPU to open an engine on. Nothing is started on any."""
    for problem in check_gpu(device):
        yield UnavailableError(
            f"tensorrt_rtx cannot open engines: {problem.message}",
            f"{problem.hint}; a build needs none",
        )


def load(options: TrtRtxOptions) -> TensorRtRtx:
    """Import the heavy half."""
    from backends.trt_rtx.runtime import TensorRtRtx

    return TensorRtRtx(options)


@hookimpl
def hookline_runtimes() -> Iterable[Runtime]:
    """Register the runtime; its rank keeps ``backend=auto`` from an engine that the machine may not open."""
    yield Runtime(
        name="tensorrt_rtx",
        summary="NVIDIA TensorRT for RTX: engines for RTX cards, built on any machine, compiled further on the card",
        load=load,
        packages=("tensorrt-rtx",),
        options=TrtRtxOptions,
        available=probe,
        device="cuda",
        precisions=frozenset(Precision),
        qdq=STYLE,
        rank=5,
        fixed_sizes=True,
        functions=True,
        shapes=True,
        check_build=check_build,
        portable=portable,
        builds_anywhere=True,
        check_device=check_device,
    )


TENSORRT_RTX = Product(
    title="TensorRT-RTX",
    module="tensorrt_rtx",
    packages=r"tensorrt-rtx(-cu\d\d)?(-bindings|-libs)?",
    install="tensorrt-rtx-cu13",
    library="tensorrt_rtx",
)


def tensorrt_rtx(host: Host | None = None) -> Iterator[Finding]:
    """Check TensorRT-RTX."""
    yield from examine_library(TENSORRT_RTX, host or Host())
