"""Load models into ONNX Runtime; its errors in the user's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as state

from backends.ort.options import OrtOptions
from core.errors import HooklineError
from core.files.onnx_file import read_onnx
from core.process.resources import usable_cores

_NAMES = (
    *(
        "DeviceReset",
        "EPFail",
        "EngineError",
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "ModelLoaded",
    ),
    *("ModelLoadCanceled", "ModelRequiresCompilation", "NoModel", "NoSuchFile", "NotFound", "NotImplemented"),
    "RuntimeException",
)
ORT_ERRORS: tuple[type[Exception], ...] = (
    *(getattr(state, name) for name in _NAMES if hasattr(state, name)),
    *(MemoryError, RuntimeError, ValueError),
)
"""What ONNX Runtime raises; releases differ, and there is no common base. The last ones come from its binding."""
_SOURCE = re.compile(r"\S+\.(?:cc|cpp|h):\d+ ")
"""Where in its own source ONNX Runtime failed; the signature of the function follows."""
OUT_OF_MEMORY = ("Failed to allocate memory", "bad_alloc", "bad allocation")


@contextmanager
def ort_errors(action: str, title: str) -> Iterator[None]:
    """Raise what ONNX Runtime raises as a HooklineError.

    Args:
        action: What was tried: ``open`` or ``run``.
        title: Names the model.
    """
    try:
        yield
    except ORT_ERRORS as error:
        reason = _reason(error)
        raise HooklineError(f"ONNX Runtime cannot {action} {title} ({reason})", _remedy(reason, action)) from error


def _reason(error: BaseException) -> str:
    """Return the end of ONNX Runtime's first line; before it stand a code, the path and the node in full."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if found := _SOURCE.search(line):
        line = _after_parentheses(line[found.end() :])
    return line.rpartition(" failed:")[2].rpartition(", Error ")[2].removeprefix("[ONNXRuntimeError] : ").strip()


def _after_parentheses(text: str) -> str:
    """Return what follows the signature of a C++ function, all of ``text`` where it is none."""
    depth = 0
    for index, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == ")" and not depth:
            return text[index + 1 :]
    return text


def _remedy(reason: str, action: str) -> str:
    if any(text in reason for text in OUT_OF_MEMORY) or reason == "MemoryError":
        return "the memory does not suffice: use a smaller batch or imgsz"
    if "No Op registered" in reason or "not a registered" in reason:
        return "it needs an operator that this runtime does not have; graft with grafts.yolo_layer.namespace=hookline"
    if "serialization failed" in reason:
        return "the optimised graph could not be written: is the disk full?"
    if action == "run":
        return "its graph contradicts itself; export it again"
    return "the file is damaged or no ONNX model; make it again with reuse=false"


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
        HooklineError: It does not exist, is not a whole ONNX model, exceeds a limit of :mod:`core.files.onnx_file`, or
            needs an operator that ONNX Runtime does not have. ``title`` names it.
    """
    if isinstance(model, Path) and not model.is_file():
        raise HooklineError(f"{title} does not exist", "build or export it first")
    if isinstance(model, Path):
        read_onnx(model)  # ONNX Runtime has no limits of its own
    with ort_errors("open", title):
        return ort.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=PROVIDERS)
