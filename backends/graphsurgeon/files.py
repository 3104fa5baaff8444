"""Reading ONNX files of users: whole, or one clear line."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx.external_data_helper import uses_external_data

from core.errors import HooklineError


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read a model.

    Raises:
        HooklineError: The file is not there, truncated, no ONNX model, or names other files to read.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise HooklineError(f"'{path}' cannot be read ({error.strerror or error})", "give an ONNX file") from error
    except Exception as error:  # protobuf's DecodeError, or what onnx makes of it
        raise HooklineError(f"'{path}' is damaged or no ONNX model ({error})", "export it again") from error
    if any(uses_external_data(tensor) for tensor in model.graph.initializer):
        raise HooklineError(f"'{path}' keeps its weights in other files", "save it as one file")
    if not model.graph.output:
        raise HooklineError(f"'{path}' is damaged or no ONNX model (it has no outputs)", "export it again")
    return model
