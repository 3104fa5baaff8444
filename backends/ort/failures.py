"""Errors of ONNX Runtime as one line that names the model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from onnxruntime.capi import onnxruntime_pybind11_state as state

from core.errors import HooklineError

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
