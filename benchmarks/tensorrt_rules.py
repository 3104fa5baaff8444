"""A runtime for measurements: graphs as TensorRT wants them, computed by ONNX Runtime on the CPU.

``HOOKLINE_PLUGINS=benchmarks.tensorrt_rules`` registers it as ``backend=tensorrt_rules``. Its quantised models are those that
``backend=tensorrt`` builds its engines of, and their accuracy is that of the same numbers in an engine, but for the order of
sums and for what TensorRT fuses. ONNX Runtime's optimisations are off: of float16 between Q/DQ pairs they make graphs that
are wrong. So its speed tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from backends.ort.loading import Level, load_session, session_options
from backends.ort.plugin import OrtOptions
from backends.ort.runtime import OrtRuntime
from backends.ort.session import OrtSession
from backends.trt.style import STYLE
from core.artifacts import CalibrationTable, Engine, OnnxModel, Precision
from core.errors import HooklineError
from core.hookspecs import hookimpl
from core.parts import Availability, Runtime


class TensorRtRules(OrtRuntime):
    """Quantises for TensorRT, and opens the result as it is."""

    def quantize(self, model: OnnxModel, table: CalibrationTable | None, target: Path, *, precision: Precision) -> None:
        """By TensorRT's rules."""
        from backends.graphsurgeon.quantize import quantize

        quantize(model, table, target, precision=precision, style=STYLE)

    def open(self, model: OnnxModel | Engine, *, device: str) -> OrtSession:
        """Only models: ``evaluate.model=quantized``."""
        del device
        if isinstance(model, Engine):
            raise HooklineError("tensorrt_rules has no engines", "set evaluate.model=quantized")
        settings = session_options(self.options, Level.ORT_DISABLE_ALL)
        return OrtSession(load_session(model.path, settings, f"'{model.path}'"), model)


def load(options: Any) -> TensorRtRules:
    """As every runtime is loaded."""
    return TensorRtRules(options)


@hookimpl
def hookline_runtimes() -> Iterable[Runtime]:
    """Register the runtime; its rank keeps ``backend=auto`` from it."""
    yield Runtime(
        name="tensorrt_rules",
        summary="graphs for TensorRT on ONNX Runtime, for measurements",
        load=load,
        options=OrtOptions,
        available=lambda: Availability(usable=True, reason="for measurements"),
        device="cpu",
        precisions=frozenset(Precision),
        rank=-10,
    )
