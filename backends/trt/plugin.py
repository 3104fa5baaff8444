"""Register the runtime ``tensorrt``, engines for NVIDIA GPUs, and its check."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING

from backends.gpu.plugin import probe as probe_cupy
from backends.nvidia.availability import check_device
from backends.system.limits import CHECK_LIMIT
from backends.trt.options import STYLE, Method, TrtOptions
from core.errors import HooklineError
from core.kinds.check import Check, found_at
from core.kinds.part import Availability
from core.kinds.runtime import Runtime
from core.model_facts import CalibrationInput, Int8Route, Precision
from core.plugins.hookspecs import hookimpl
from cuda_plugins.signature import OPERATOR

if TYPE_CHECKING:
    from backends.system.host import Host
    from backends.trt.runtime import TensorRt

OTHER_MACHINE = "or write the ONNX file for trtexec with +stage=graft"


def probe(host: Host | None = None) -> Availability:
    """Check that TensorRT and CuPy are installed, without importing them, and that a GPU is present."""
    if importlib.util.find_spec("tensorrt") is None:
        install = "pip install tensorrt-cu13 (tensorrt-cu12 for CUDA 12)"
        return Availability(usable=False, reason="TensorRT is not installed", hint=f"{install}, {OTHER_MACHINE}")
    cupy = probe_cupy(host)
    if not cupy.usable:
        return cupy
    return Availability(usable=True, reason="TensorRT, CuPy and NVIDIA's driver are installed")


def calibrates(options: TrtOptions) -> CalibrationInput:
    """Return the calibration input of ``int8=calibrator``."""
    if options.int8 is not Int8Route.calibrator:
        return CalibrationInput.none
    return CalibrationInput.table if options.method is Method.table else CalibrationInput.images


def check_build(options: TrtOptions) -> Iterable[HooklineError]:
    """Yield an error if ``int8=calibrator`` is set and this release has no calibrators."""
    if options.int8 is not Int8Route.calibrator or not probe().usable:  # unusable runtimes are reported elsewhere
        return
    from backends.trt.library import load as load_library
    from backends.trt.quantising import check_calibrators

    try:
        check_calibrators(load_library())
    except HooklineError as problem:
        yield problem


def load(options: TrtOptions) -> TensorRt:
    """Import and return the runtime."""
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
        qdq=STYLE,
        rank=20,
        fixed_sizes=True,
        operators=frozenset({OPERATOR}),
        functions=True,
        other_suffixes=frozenset({".plan", ".trt"}),
        shapes=True,
        calibrates=calibrates,
        check_build=check_build,
        check_device=check_device,
    )


@hookimpl
def hookline_checks() -> Iterable[Check]:
    """Register the check."""
    yield Check(
        name="tensorrt",
        summary="TensorRT, its libraries and builder resource, of one release",
        load=found_at("backends.trt.library_checks:tensorrt"),
        needed_by=frozenset({"tensorrt"}),
        limit=CHECK_LIMIT,
    )
