"""The runtime ``onnxruntime``: the embedded default, on any CPU."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated

from backends.ort.style import STYLE
from core.artifacts import Precision
from core.checks import found_at
from core.config import presentation
from core.hookspecs import hookimpl
from core.parts import Availability, Check, Runtime
from core.ranges import NonNegative, Range

if TYPE_CHECKING:
    from backends.ort.runtime import OrtRuntime


class Optimisation(str, Enum):
    """How far ONNX Runtime rewrites the graph.

    ``all`` includes layouts for the vector width of this CPU: the engine opens fastest and runs on CPUs
    of the same kind only. ``extended`` leaves these to the moment of opening: slower to open, as fast
    to run, and good for other CPUs of the architecture. ``none`` keeps the graph as it is, to debug.
    """

    all = "all"
    extended = "extended"
    none = "none"


@dataclass
class OrtOptions:
    """Options of the runtime ``onnxruntime``.

    Attributes:
        threads: For one inference; 0 takes the cores that this process may use.
        optimisation: Of the graph that an engine holds; ONNX files are always opened with ``all``.
        spin: Microseconds that a thread waits for work in a loop before it sleeps. 0, sleeping at once,
            is slower on an idle machine; ONNX Runtime's own, some 1000, takes the cores from decoding
            and encoding and is several times slower beside other work. 100 is 3 % faster than 20 for
            one INT8 picture, and slower by as much beside the encoding of video.
    """

    threads: Annotated[int, Range(0, 1024)] = presentation(default=0)
    optimisation: Optimisation = Optimisation.all
    spin: NonNegative = presentation(default=100)


def probe() -> Availability:
    """Look for the package without importing it."""
    if importlib.util.find_spec("onnxruntime") is None:
        return Availability(
            usable=False, reason="the package onnxruntime is not installed", hint="pip install onnxruntime"
        )
    return Availability(usable=True, reason="the package onnxruntime is installed")


def load(options: OrtOptions) -> OrtRuntime:
    """Import the heavy half."""
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
        taps=True,
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
        limit=90,
    )
