"""Load models into ONNX Runtime, and convert its errors to messages for users."""

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
"""The exceptions of ONNX Runtime: they have no common base class, and releases differ."""
_SOURCE = re.compile(r"\S+\.(?:cc|cpp|h):\d+ ")
"""The source location in a message of ONNX Runtime; the function's signature follows."""
OUT_OF_MEMORY = ("Failed to allocate memory", "bad_alloc", "bad allocation")


@contextmanager
def ort_errors(action: str, title: str) -> Iterator[None]:
    """Convert the errors of ONNX Runtime to HooklineError.

    Args:
        action: ``open`` or ``run``.
        title: The name of the model in messages.
    """
    try:
        yield
    except ORT_ERRORS as error:
        reason = _reason(error)
        raise HooklineError(f"ONNX Runtime cannot {action} {title} ({reason})", _remedy(reason, action)) from error


def _reason(error: BaseException) -> str:
    """Return the reason from the first line of an error of ONNX Runtime, without error code, path and node."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if found := _SOURCE.search(line):
        line = _after_parentheses(line[found.end() :])
    return line.rpartition(" failed:")[2].rpartition(", Error ")[2].removeprefix("[ONNXRuntimeError] : ").strip()


def _after_parentheses(text: str) -> str:
    """Return the text after the signature of a C++ function; all of ``text`` if there is none."""
    depth = 0
    for index, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == ")" and not depth:
            return text[index + 1 :]
    return text


def _remedy(reason: str, action: str) -> str:
    if any(text in reason for text in OUT_OF_MEMORY) or reason == "MemoryError":
        return "there is not enough memory: use a smaller batch or imgsz"
    if "No Op registered" in reason or "not a registered" in reason:
        return "ONNX Runtime does not have one of its operators; graft with grafts.yolo_layer.namespace=hookline"
    if "serialization failed" in reason:
        return "the optimised graph could not be written: check the free disk space"
    if action == "run":
        return "its graph is inconsistent; export it again"
    return "the file is damaged or not an ONNX model; create it again with reuse=false"


Level: TypeAlias = ort.GraphOptimizationLevel
PROVIDERS = ["CPUExecutionProvider"]
SILENT = 4
"""Severity of the log: fatal messages only, because errors are raised."""


def session_options(options: OrtOptions, level: Level) -> ort.SessionOptions:
    """Return session options. ONNX Runtime's default number of threads ignores the CPU quota of a container."""
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads or usable_cores()
    settings.graph_optimization_level = level
    settings.log_severity_level = SILENT
    # Measured with yolov5n in int8: the default order is 2 % slower, and 6 % slower after a graph was written and read
    # back, which changes the order. The order by priority was never slower.
    settings.execution_order = ort.ExecutionOrder.PRIORITY_BASED
    settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spin else "0")
    settings.add_session_config_entry("session.intra_op.spin_duration_us", str(options.spin))
    return settings


def load_session(model: Path | bytes, options: ort.SessionOptions, title: str) -> ort.InferenceSession:
    """Open an ONNX file or a serialised model.

    Raises:
        HooklineError: The file does not exist, is not a complete ONNX model, exceeds a limit of
            :mod:`core.files.onnx_file`, or needs an operator that ONNX Runtime does not have. ``title`` names it.
    """
    if isinstance(model, Path) and not model.is_file():
        raise HooklineError(f"{title} does not exist", "build or export it first")
    if isinstance(model, Path):
        read_onnx(model)  # checks the limits: ONNX Runtime has none
    with ort_errors("open", title):
        return ort.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=PROVIDERS)
