"""The top-level options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from core.media.choices import MAX_PIXELS
from core.model_facts import Precision
from core.options.ranges import Fraction, Positive, Range


@dataclass
class PluginOptions:
    """Options ``plugins.*``.

    Attributes:
        disable: Names of plugins that are not loaded.
    """

    disable: list[str] = field(default_factory=list)


@dataclass
class TopLevelOptions:
    """The top-level options; conf/config.yaml describes each of them."""

    model: str | None = None
    weights: str | None = "${official:${model}}"
    data: str | None = None
    source: Any = None
    imgsz: Any = None
    precision: Precision | None = None
    calibrator: str = "percentile"
    quantizer: str = "qdq"
    backend: str = "auto"
    processor: str = "auto"
    decode: str = "auto"
    device: str = "auto"
    conf: Fraction | None = None
    iou: Fraction | None = None
    max_det: Positive = 300
    max_pixels: Positive = MAX_PIXELS
    classes: Any = None
    single_class: bool = False
    tracker: Any = field(default_factory=lambda: ["csv"])
    resume: bool = False
    seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    store: str | None = None
    reuse: bool = True
    plugins: PluginOptions = field(default_factory=PluginOptions)
    stage: dict[str, Any] = field(default_factory=dict)
