"""Options of the stage ``export``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated

from core.options.fields import shared
from core.options.ranges import BatchSize, Range
from core.options.sizes import DEFAULT, InputSize

OPSETS = range(13, 21)
"""Supported opsets: from the first with per-channel quantisation to the last that PyTorch's exporter writes."""


class Axis(str, Enum):
    """An axis of the input that can be dynamic."""

    batch = "batch"
    height = "height"
    width = "width"


@dataclass
class ExportConfig:
    """Options of the stage ``export``.

    Attributes:
        imgsz: Input size in pixels, one number or [height, width], multiples of the largest stride.
        batch: Batch size; the default one if the batch is dynamic.
        dynamic: Dynamic axes: any of batch, height, width.
        layout: Output layout, one of the model family (docs/contracts.md); null: its first one, for quantize and graft.
        opset: ONNX opset version.
        simplify: Simplify the graph with onnxsim.
    """

    imgsz: InputSize = shared("imgsz", otherwise=DEFAULT)
    batch: BatchSize = 1
    dynamic: list[Axis] = field(default_factory=list)
    layout: str | None = None
    opset: Annotated[int, Range(OPSETS[0], OPSETS[-1])] = 17
    simplify: bool = True
