"""Opening ONNX files with ONNX Runtime: session options and one-line errors."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import onnxruntime as ort

from backends.ort.failures import ort_errors
from backends.ort.plugin import OrtOptions
from core.cores import usable_cores
from core.errors import HooklineError
from core.onnx_file import read_onnx

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
    """Open a file, or a serialised model of ours.

    Raises:
        HooklineError: It is not there, is not a whole ONNX model, exceeds a limit of :mod:`core.onnx_file`, or needs an
            operator that ONNX Runtime does not have. ``title`` names it.
    """
    if isinstance(model, Path) and not model.is_file():
        raise HooklineError(f"{title} does not exist", "build or export it first")
    if isinstance(model, Path):
        read_onnx(model)  # ONNX Runtime has no limits of its own
    with ort_errors("open", title):
        return ort.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=PROVIDERS)
