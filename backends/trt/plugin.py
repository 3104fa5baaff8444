"""The runtime ``tensorrt``. This version writes models for it and builds no engines (see the README)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from core.artifacts import Precision
from core.hookspecs import hookimpl
from core.parts import Availability, Runtime

if TYPE_CHECKING:
    from backends.trt.runtime import TensorRtRules

ELSEWHERE = "+stage=graft backend=tensorrt writes the ONNX file to build with trtexec where TensorRT is"


def probe() -> Availability:
    """Engines cannot be built or opened here; says what is missing for it."""
    if importlib.util.find_spec("tensorrt") is None:
        install = "pip install tensorrt-cu13 (tensorrt-cu12 for CUDA 12) on a machine with an NVIDIA GPU"
        return Availability(usable=False, reason="TensorRT is not installed", hint=f"{install}; {ELSEWHERE}")
    return Availability(usable=False, reason="this version of hookline builds no TensorRT engines", hint=ELSEWHERE)


def load(options: Any) -> TensorRtRules:  # noqa: ARG001
    """Import the heavy half."""
    from backends.trt.runtime import TensorRtRules

    return TensorRtRules()


@hookimpl
def hookline_runtimes() -> Iterable[Runtime]:
    """Register the runtime."""
    yield Runtime(
        name="tensorrt",
        summary="models by the rules of NVIDIA TensorRT (no engines yet)",
        load=load,
        available=probe,
        device="cuda",
        precisions=frozenset(Precision),
        rank=20,
    )
