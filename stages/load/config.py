"""Options of the stage ``load``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.artifacts import Checkpoint
from core.model_facts import Precision
from core.options.fields import shared


@dataclass
class LoadConfig:
    """Options of the stage ``load``.

    Attributes:
        weights: File (.pt, .safetensors, .onnx, or an engine with its sidecar) or official name.
        imgsz: Input size of an engine or ONNX file in pixels, to check or, if dynamic, to use; null: that of the file.
        precision: Precision of an engine or ONNX file, to check; null: that of the file.
        backend: Runtime of an engine, to check; auto: that of the engine.
    """

    weights: str | None = shared("weights", place=True)
    imgsz: Any = shared("imgsz", presentation=True)  # a checkpoint has no size; the other models are not stored
    precision: Precision | None = shared("precision", presentation=True, not_for=Checkpoint)
    backend: str = shared("backend", presentation=True)
