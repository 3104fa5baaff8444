"""The shape of a YOLOv5 network: official variants, list of layers, anchors, and class names of COCO."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from backends.yolov5.errors import ConfigError
from core.errors import shown
from core.model_limits import MAX_ANCHORS, MAX_CLASSES, MAX_SIDE
from core.storage.serial import DecodeError, decode, encode

NAMES: tuple[str, ...] = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear",
    "hair drier", "toothbrush",
)  # fmt: skip


class LayerSpec(NamedTuple):
    """One layer in the order of the official networks.

    Attributes:
        kind: Class name of the layer.
        route: Index of its input layer or layers; -1 is the previous one.
        name: Name of the module in our network; empty for a layer without weights.
    """

    kind: str
    route: int | list[int]
    name: str


def blueprint(levels: int, *, pool_first: bool) -> list[LayerSpec]:
    """Return the layers of a network with 3 or 4 levels; Focus and SPP are given as Conv and SPPF.

    Args:
        levels: Number of output levels.
        pool_first: As in :class:`ModelConfig`.
    """
    layers = [LayerSpec("Conv", -1, "stem")]
    ends = []
    for stage in range(levels + 1):
        layers.append(LayerSpec("Conv", -1, f"stages.{stage}.down"))
        blocks = [LayerSpec("C3", -1, f"stages.{stage}.block")]
        if stage == levels:
            blocks.insert(0 if pool_first else 1, LayerSpec("SPPF", -1, f"stages.{stage}.pool"))
        layers.extend(blocks)
        ends.append(len(layers) - 1)

    reduced = []
    for step in range(levels - 1):
        reduced.append(len(layers))
        layers += [
            LayerSpec("Conv", -1, f"top_down.{step}.reduce"),
            LayerSpec("Upsample", -1, ""),
            LayerSpec("Concat", [-1, ends[-2 - step]], ""),
            LayerSpec("C3", -1, f"top_down.{step}.block"),
        ]

    outputs = [len(layers) - 1]
    for step in range(levels - 1):
        layers += [
            LayerSpec("Conv", -1, f"bottom_up.{step}.down"),
            LayerSpec("Concat", [-1, reduced[-1 - step]], ""),
            LayerSpec("C3", -1, f"bottom_up.{step}.block"),
        ]
        outputs.append(len(layers) - 1)
    return [*layers, LayerSpec("Detect", outputs, "detect")]


def level_names(levels: int) -> tuple[str, ...]:
    """Return the names of the outputs of the layout ``heads``: ``p3``, ``p4``, ``p5`` (``p6``)."""
    return tuple(f"p{3 + level}" for level in range(levels))


Anchors = tuple[tuple[float, ...], ...]

P5_ANCHORS: Anchors = (
    (10, 13, 16, 30, 33, 23),
    (30, 61, 62, 45, 59, 119),
    (116, 90, 156, 198, 373, 326),
)
P6_ANCHORS: Anchors = (
    (19, 27, 44, 40, 38, 94),
    (96, 68, 86, 152, 180, 137),
    (140, 301, 303, 264, 238, 542),
    (436, 615, 739, 380, 925, 792),
)

_SCALES = {"n": (0.33, 0.25), "s": (0.33, 0.50), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
_CHANNELS = {3: (64, 128, 256, 512, 1024), 4: (64, 128, 256, 512, 768, 1024)}
_REPEATS = {3: (3, 6, 9, 3), 4: (3, 6, 9, 3, 3)}
_HEAD_REPEATS = 3

VARIANTS: tuple[str, ...] = tuple(f"yolov5{scale}{level}" for level in ("", "6") for scale in _SCALES)

LEVELS = (3, 4)
"""Possible numbers of output levels."""
MAX_CHANNELS = 4096
"""Maximum number of channels of a layer; yolov5x has 1,280."""
MAX_REPEATS = 64
"""Maximum number of bottlenecks in a C3 block; yolov5x has 12."""


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a network; its constructor checks every value.

    Attributes:
        num_classes: Number of classes, nc.
        anchors: Anchors per level, smallest stride first: w0, h0, w1, h1, ... in pixels of the network input.
        channels: Output channels of the backbone at strides 2, 4, 8, 16, 32 (and 64).
        repeats: Number of bottlenecks of the C3 blocks in the backbone at strides 4, 8, 16, 32 (and 64).
        head_repeats: Number of bottlenecks of each C3 block in the head.
        pool_first: Order of v5.0 and older: pooling before the last C3 block of the backbone, which has no shortcut.
    """

    num_classes: int
    anchors: Anchors
    channels: tuple[int, ...]
    repeats: tuple[int, ...]
    head_repeats: int
    pool_first: bool = False

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigError: A value is out of range.
        """
        # Anchors become floats, so that equal networks are written as equal JSON.
        anchors = tuple(tuple(float(side) for side in level) for level in self.anchors)
        object.__setattr__(self, "anchors", anchors)
        self._check()

    def _check(self) -> None:
        """Compare every value with its limit before a network allocates memory."""
        sizes = {len(level) for level in self.anchors}
        if (
            self.levels not in LEVELS
            or len(sizes) != 1
            or not sizes <= {2 * count for count in range(1, MAX_ANCHORS + 1)}
        ):
            raise ConfigError(
                f"anchors {shown(self.anchors)}: 3 or 4 levels of 1 to {MAX_ANCHORS} pairs each are possible"
            )
        if not all(0 < side <= MAX_SIDE for level in self.anchors for side in level):
            raise ConfigError(f"anchors {shown(self.anchors)}: each side must be above 0, up to {MAX_SIDE:,}")
        _check_counts("num_classes", (self.num_classes,), 1, MAX_CLASSES)
        _check_counts("channels", self.channels, self.levels + 2, MAX_CHANNELS)
        _check_counts("repeats", self.repeats, self.levels + 1, MAX_REPEATS)
        _check_counts("head_repeats", (self.head_repeats,), 1, MAX_REPEATS)

    @property
    def levels(self) -> int:
        """Number of output levels: 3, or 4 for the P6 models."""
        return len(self.anchors)

    @property
    def strides(self) -> tuple[int, ...]:
        """Stride of each level in pixels: 8, 16, 32 (and 64)."""
        return tuple(8 << level for level in range(self.levels))

    @property
    def anchors_per_level(self) -> int:
        """Number of anchors per level, A."""
        return len(self.anchors[0]) // 2

    @property
    def outputs_per_anchor(self) -> int:
        """Number of outputs per anchor: box, objectness and classes, 5 + nc."""
        return 5 + self.num_classes

    def to_dict(self) -> dict[str, object]:
        """Return the values as JSON types."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, object]) -> ModelConfig:
        """Return the config of :meth:`to_dict`.

        Raises:
            ConfigError: A value is missing, has another type, or is out of range.
        """
        try:
            config: ModelConfig = decode(ModelConfig, encode(values))
        except DecodeError as error:
            raise ConfigError(str(error)) from error
        return config


def scaled(*, depth: float, width: float, num_classes: int, anchors: Anchors = P5_ANCHORS) -> ModelConfig:
    """Return the config for depth and width factors: channels are rounded up to a multiple of 8, repeats to nearest."""
    return ModelConfig(
        num_classes=num_classes,
        anchors=anchors,
        channels=tuple(math.ceil(count * width / 8) * 8 for count in _CHANNELS[len(anchors)]),
        repeats=tuple(_scale_depth(count, depth) for count in _REPEATS[len(anchors)]),
        head_repeats=_scale_depth(_HEAD_REPEATS, depth),
    )


def official(variant: str, num_classes: int = 80) -> ModelConfig:
    """Return the config of an official variant, one of :data:`VARIANTS`.

    Raises:
        KeyError: The variant does not exist.
    """
    if variant not in VARIANTS:
        raise KeyError(variant)
    anchors = P6_ANCHORS if variant.endswith("6") else P5_ANCHORS
    depth, width = _SCALES[variant.removeprefix("yolov5")[0]]
    return scaled(depth=depth, width=width, num_classes=num_classes, anchors=anchors)


def variant_of(channels: Sequence[int], head_repeats: int) -> str | None:
    """Return the official variant with these channels and head repeats; None if there is none."""
    for name in VARIANTS:
        known = official(name)
        if known.channels == tuple(channels) and known.head_repeats == head_repeats:
            return name
    return None


def _check_counts(key: str, counts: tuple[int, ...], number: int, largest: int) -> None:
    if len(counts) != number or not all(1 <= count <= largest for count in counts):
        what = "a number" if number == 1 else f"{number} numbers"
        raise ConfigError(f"{key} {shown(counts if number > 1 else counts[0])}: {what} from 1 to {largest:,} expected")


def _scale_depth(count: int, depth: float) -> int:
    return max(round(count * depth), 1)
