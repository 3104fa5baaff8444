"""Options of the stage ``export``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any

from core.options.fields import shared
from core.options.ranges import BatchSize, Range
from core.options.sizes import DEFAULT

OPSETS = range(13, 21)
"""From the first with quantisation per channel to the last that PyTorch's exporter writes."""


class Axis(str, Enum):
    """An axis of the input that may change from call to call."""

    batch = "batch"
    height = "height"
    width = "width"


@dataclass
class ExportConfig:
    """Options of the stage.

    Attributes:
        imgsz: Input size in pixels, one number or [height, width]; multiples of the largest stride.
        batch: Images per call; where the batch is dynamic, the number to use.
        dynamic: Axes that may change: batch, height, width.
        layout: What the file gives: one of the layouts of the model family (docs/contracts.md); null: its first one,
            which quantize and graft take.
        opset: ONNX opset.
        simplify: Fold constants and shapes with onnxsim.
    """

    imgsz: Any = shared("imgsz", otherwise=DEFAULT)
    batch: BatchSize = 1
    dynamic: list[Axis] = field(default_factory=list)
    layout: str | None = None
    opset: Annotated[int, Range(OPSETS[0], OPSETS[-1])] = 17
    simplify: bool = True
