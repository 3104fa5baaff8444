"""Jobs for the ``build`` of a runtime, and a context for the stages graft and build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from backends.graphsurgeon.plugin import hookline_grafts
from backends.ort.plugin import hookline_runtimes
from backends.yolov5.plugin import hookline_models
from core.artifacts import GraftedModel
from core.kinds.building import BuildJob
from core.kinds.context import RunContext
from core.model_facts import Precision
from core.options.sizes import read_batch, read_size
from tests.support.stage_tools import Memory, make_context


def build_job(model: GraftedModel, target: Path, **changes: Any) -> BuildJob:
    """Return a job with the defaults of ``+stage=build``; ``batch`` and ``imgsz`` as on the command line."""
    stride = model.facts.max_stride
    for word, read in (("batch", read_batch), ("imgsz", lambda size: read_size(size, stride))):
        if changes.get(word) is not None:
            changes[word] = read(changes[word])
    given: dict[str, Any] = {
        "precision": Precision.int8 if changes.get("calibration") else model.precision,
        "batch": None,
        "imgsz": None,
        "warmup": 0,
        "device": "cpu",
        "calibration": None,
        "cache_dir": target.parent / "cache",
        "reporter": Memory(),
    }
    return BuildJob(model=model, target=target, **{**given, **changes})


def decoding_context(folder: Path) -> RunContext:
    """Return a context with the shipped grafts and ONNX Runtime, also under the name ``tensorrt``."""
    runtimes = [*hookline_runtimes(), *(replace(part, name="tensorrt") for part in hookline_runtimes())]
    return make_context(folder, grafts=list(hookline_grafts()), runtimes=runtimes, models=list(hookline_models()))[0]
