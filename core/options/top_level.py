"""The top-level options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from core.media.choices import AUTO_DEPTH, MAX_PIXELS
from core.model_facts import Precision
from core.options.ranges import Fraction, ImageDepth, Positive, Range


@dataclass
class PluginOptions:
    """Options ``plugins.*``.

    Attributes:
        disable: Names of plugins that are not loaded.
    """

    disable: list[str] = field(default_factory=list)


@dataclass
class ImageOptions:
    """Options ``image.*``: how images become 8-bit BGR, in every stage that reads images.

    Attributes:
        depth: White of images with more than 8 bits per channel: this value becomes 255, larger ones are clipped.
            ``full``: the largest value of the type (65535), 1 for floats. ``auto``: that of the smallest bit depth
            (8, 10, 12, 14, 16) that holds the values of the image, unless the file states another.
    """

    depth: ImageDepth = AUTO_DEPTH


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
    image: ImageOptions = field(default_factory=ImageOptions)
    plugins: PluginOptions = field(default_factory=PluginOptions)
    stage: dict[str, Any] = field(default_factory=dict)


GROUPS: Mapping[str, type[ImageOptions | PluginOptions]] = {"image": ImageOptions, "plugins": PluginOptions}
"""Top-level names that are groups of options."""


def owner_of(option: str) -> tuple[type[ImageOptions | PluginOptions | TopLevelOptions], str]:
    """Return the dataclass that declares a top-level option, e.g. ``image.depth``, and the name of its field."""
    group, _, name = option.rpartition(".")
    return GROUPS[group] if group else TopLevelOptions, name
