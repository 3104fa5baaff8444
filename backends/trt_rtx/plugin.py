"""Register the runtime ``tensorrt_rtx``, engines for RTX cards that are built without a GPU, and its check."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING

from backends.nvidia.availability import check_device as check_gpu
from backends.system.limits import CHECK_LIMIT
from backends.trt.options import STYLE
from backends.trt_rtx.options import CARD, TrtRtxOptions, only_current
from core.errors import HooklineError, UnavailableError
from core.kinds.check import Check, found_at
from core.kinds.part import Availability
from core.kinds.runtime import Runtime
from core.model_facts import Precision
from core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from backends.trt_rtx.runtime import TensorRtRtx

INSTALL = "pip install tensorrt-rtx-cu13 (Linux on x86-64, or Windows); a build needs no GPU"


def probe() -> Availability:
    """Check that the package is installed, without importing it."""
    if importlib.util.find_spec("tensorrt_rtx") is None:
        return Availability(usable=False, reason="TensorRT-RTX is not installed", hint=INSTALL)
    return Availability(usable=True, reason="the package tensorrt_rtx is installed")


def portable(options: TrtRtxOptions) -> frozenset[str]:
    """Return the machine facts that engines do not depend on: the card, if the target cards are named."""
    return frozenset() if only_current(options.compute_capabilities) else frozenset({CARD})


def check_build(options: TrtRtxOptions) -> Iterable[HooklineError]:
    """Yield errors for cards that the library does not support, and for ``current`` if there is no GPU."""
    if not (options.compute_capabilities and probe().usable):
        return
    from backends.trt.library import load as load_library
    from backends.trt_rtx.targets import read_targets

    try:
        read_targets(options.compute_capabilities, load_library("tensorrt_rtx").trt)
    except HooklineError as problem:
        if not only_current(options.compute_capabilities) or isinstance(problem, UnavailableError):
            yield problem


def check_device(device: str) -> Iterable[HooklineError]:
    """Yield an error if no GPU can open engines. Starts nothing on a GPU."""
    for problem in check_gpu(device):
        yield UnavailableError(
            f"tensorrt_rtx cannot open engines: {problem.message}",
            f"{problem.hint}; a build needs no GPU",
        )


def load(options: TrtRtxOptions) -> TensorRtRtx:
    """Import and return the runtime."""
    from backends.trt_rtx.runtime import TensorRtRtx

    return TensorRtRtx(options)


@hookimpl
def hookline_runtimes() -> Iterable[Runtime]:
    """Register the runtime. Its low rank keeps ``backend=auto`` from engines that this machine may not open."""
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


@hookimpl
def hookline_checks() -> Iterable[Check]:
    """Register the check."""
    yield Check(
        name="tensorrt_rtx",
        summary="TensorRT-RTX and its library, of one release",
        load=found_at("backends.trt_rtx.checks:tensorrt_rtx"),
        needed_by=frozenset({"tensorrt_rtx"}),
        limit=CHECK_LIMIT,
    )
