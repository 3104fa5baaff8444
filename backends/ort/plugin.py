"""Register the runtime ``onnxruntime``, the default on any CPU, and its check."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING

from backends.ort.options import STYLE, OrtOptions
from backends.system.limits import CHECK_LIMIT
from core.kinds.check import Check, found_at
from core.kinds.part import Availability
from core.kinds.runtime import Runtime
from core.model_facts import Precision
from core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from backends.ort.runtime import OrtRuntime


def probe() -> Availability:
    """Check that the package is installed, without importing it."""
    if importlib.util.find_spec("onnxruntime") is None:
        return Availability(
            usable=False, reason="the package onnxruntime is not installed", hint="pip install onnxruntime"
        )
    return Availability(usable=True, reason="the package onnxruntime is installed")


def load(options: OrtOptions) -> OrtRuntime:
    """Import and return the runtime."""
    from backends.ort.runtime import OrtRuntime

    return OrtRuntime(options)


@hookimpl
def hookline_runtimes() -> Iterable[Runtime]:
    """Register the runtime."""
    yield Runtime(
        name="onnxruntime",
        summary="ONNX Runtime on the CPU",
        load=load,
        packages=("onnxruntime",),
        options=OrtOptions,
        available=probe,
        device="cpu",
        precisions=frozenset(Precision),
        qdq=STYLE,
        rank=10,
        opens_onnx=True,
        records_activations=True,
        functions=True,
        engine_suffix=".onnx",
    )


@hookimpl
def hookline_checks() -> Iterable[Check]:
    """Register the check."""
    yield Check(
        name="onnxruntime",
        summary="one ONNX Runtime package, which can be imported, and its execution providers",
        load=found_at("backends.ort.checks:onnxruntime"),
        needed_by=frozenset({"onnxruntime"}),
        limit=CHECK_LIMIT,
    )
