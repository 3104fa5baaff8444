"""Options of the stage ``load``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.model_facts import Precision
from core.options.fields import shared


@dataclass
class LoadConfig:
    """Options of the stage.

    Attributes:
        weights: A file (.pt, .safetensors, .onnx, or an engine with its sidecar) or an official name.
        imgsz: Input size: that of an engine or ONNX file, any where its height and width are dynamic; null: its own.
        precision: That of an engine or ONNX file, where it is settled; null: its own.
        backend: That of an engine; auto: its own.
    """

    weights: str | None = shared("weights", place=True)
    imgsz: Any = shared("imgsz", presentation=True)  # a checkpoint has no size; the other models are not stored
    precision: Precision | None = shared("precision", presentation=True)
    backend: str = shared("backend", presentation=True)
