"""The runtime ``tensorrt``: engines for NVIDIA GPUs."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from backends.gpu.plugin import check_device
from backends.gpu.plugin import probe as probe_cupy
from backends.trt.options import TrtOptions
from core.artifacts import Int8Route, Precision
from core.errors import HooklineError
from core.hookspecs import hookimpl
from core.parts import Availability, Runtime

if TYPE_CHECKING:
    from backends.system.here import Here
    from backends.trt.runtime import TensorRt

ELSEWHERE = "or write the ONNX file for trtexec with +stage=graft"


def probe(here: Here | None = None) -> Availability:
    """Look for the packages without importing them, and for a GPU without loading its driver."""
    if importlib.util.find_spec("tensorrt") is None:
        install = "pip install tensorrt-cu13 (tensorrt-cu12 for CUDA 12)"
        return Availability(usable=False, reason="TensorRT is not installed", hint=f"{install}, {ELSEWHERE}")
    cupy = probe_cupy(here)
    if not cupy.usable:
        return cupy
    return Availability(usable=True, reason="TensorRT, CuPy and NVIDIA's driver are installed")


def check_build(config: Any) -> Iterable[HooklineError]:
    """What this release cannot do; TensorRT is imported only where it must be asked."""
    if config.int8 is not Int8Route.calibrator or not probe().usable:  # the latter is told already
        return
    from backends.trt.library import load as load_library
    from backends.trt.quantising import check_calibrators

    try:
        check_calibrators(load_library())
    except HooklineError as problem:
        yield problem


def load(options: TrtOptions) -> TensorRt:
    """Import the heavy half."""
    from backends.trt.runtime import TensorRt

    return TensorRt(options)


@hookimpl
def hookline_runtimes() -> Iterable[Runtime]:
    """Register the runtime."""
    yield Runtime(
        name="tensorrt",
        summary="engines of NVIDIA TensorRT 10 and 11 for the GPU of this machine",
        load=load,
        packages=("tensorrt", "cupy"),
        options=TrtOptions,
        available=probe,
        device="cuda",
        precisions=frozenset(Precision),
        rank=20,
        fixed_sizes=True,
        build_options=frozenset({"batch", "imgsz", "int8"}),
        check_build=check_build,
        check_device=check_device,
    )
