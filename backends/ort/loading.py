"""Opening ONNX files with ONNX Runtime: session options and one-line errors."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import onnxruntime as ort

from backends.ort.plugin import OrtOptions
from core.cores import usable_cores
from core.errors import HooklineError

Level: TypeAlias = ort.GraphOptimizationLevel
PROVIDERS = ["CPUExecutionProvider"]
SILENT = 4
"""Only fatal messages are logged: what goes wrong is raised, and told in one line."""


def session_options(options: OrtOptions, level: Level) -> ort.SessionOptions:
    """Session options; ONNX Runtime's own choice of threads ignores the quota of a container."""
    wanted = ort.SessionOptions()
    wanted.intra_op_num_threads = options.threads or usable_cores()
    wanted.graph_optimization_level = level
    wanted.log_severity_level = SILENT
    # For yolov5n in int8 the default order was measured 2 % slower, and 6 % after a graph was written and read
    # back, which changes it; this order was never measured slower.
    wanted.execution_order = ort.ExecutionOrder.PRIORITY_BASED
    wanted.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spin else "0")
    wanted.add_session_config_entry("session.intra_op.spin_duration_us", str(options.spin))
    return wanted


def load_session(model: Path | bytes, options: ort.SessionOptions, title: str) -> ort.InferenceSession:
    """Open a file, or a serialised model.

    Raises:
        HooklineError: It is not there, is not a whole ONNX model, or needs an operator that ONNX Runtime
            does not have. ``title`` names it.
    """
    if isinstance(model, Path) and not model.is_file():
        raise HooklineError(f"{title} does not exist", "build or export it first")
    try:
        return ort.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=PROVIDERS)
    except Exception as error:
        reason = _reason(error)
        raise HooklineError(f"ONNX Runtime cannot open {title} ({reason})", _remedy(reason)) from error


def _reason(error: BaseException) -> str:
    """The end of ONNX Runtime's first line; before it stand a code, the path and the node in full."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line.rpartition(" failed:")[2].rpartition(", Error ")[2].removeprefix("[ONNXRuntimeError] : ")


def _remedy(reason: str) -> str:
    if "No Op registered" in reason or "not a registered" in reason:
        return "it needs an operator that this runtime does not have; graft with graft.namespace=hookline"
    if "serialization failed" in reason:
        return "the optimised graph could not be written: is the disk full?"
    return "the file is damaged or no ONNX model; make it again with reuse=false"
