"""Facts of a model: family, classes and strides, and the contract of its input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Literal

Padding = Literal["centre", "top_left"]
"""Position of the image in the letterbox: in the centre, or in the top left corner."""
Channels = Literal["rgb", "bgr"]
"""Order of the channels of the network input."""


class Precision(str, Enum):
    """Precision of a model: ``fp32``, ``fp16`` (with float32 inputs and outputs) or ``int8``."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


class Int8Route(str, Enum):
    """How a model gets to int8: ``qdq`` pairs in the graph, or the ``calibrator`` of a runtime during the build."""

    qdq = "qdq"
    calibrator = "calibrator"


class CalibrationInput(str, Enum):
    """What a runtime needs to quantise a float32 model during the build (``Runtime.calibrates``).

    ``none``: nothing, since the stage quantize writes int8 into the graph. ``images``: calibration images. ``table``:
    the ranges found by the stage calibrate.
    """

    none = "none"
    images = "images"
    table = "table"


DECODED = "decoded"
"""Layout of all grafted models (:class:`core.kinds.head.DecodedHead`). Model families define all others."""


@dataclass(frozen=True)
class ModelFacts:
    """Facts of a detector that do not depend on its file format.

    Attributes:
        family: Name of its :class:`ModelFamily`, which builds the network and decodes its outputs.
        variant: Size of the network, one of ``ModelFamily.variants``; the file stem if the family does not know it.
        names: Class names, index = class id.
        strides: Stride of each output level in pixels of the network input, smallest first, e.g. ``(8, 16, 32)``.
        head: Further facts that the family needs to decode the outputs, e.g. anchors: JSON values. Use lists and not
            tuples, so that the values do not change when they are written and read.
    """

    family: str
    variant: str
    names: tuple[str, ...]
    strides: tuple[int, ...]
    head: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        """Number of classes (``nc``)."""
        return len(self.names)

    @property
    def max_stride(self) -> int:
        """Largest stride; height and width of the input are multiples of it."""
        return max(self.strides)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How images become network input. A model family defines it, and every processor applies it.

    A value of the network input is ``pixel * scale + offset``, where the pixel value is 0 to 255. The defaults give RGB
    in the range 0 to 1, with the image in the centre of a grey letterbox.

    Attributes:
        padding: Position of the image in the letterbox: ``centre`` or ``top_left``.
        pad_value: Pixel value of the letterbox border, 0 to 255.
        channels: Order of the channels: ``rgb`` or ``bgr``. Images are read as BGR.
        scale: Factor of the pixel values.
        offset: Added after scaling.
    """

    padding: Padding = "centre"
    pad_value: int = 114
    channels: Channels = "rgb"
    scale: float = 1.0 / 255.0
    offset: float = 0.0

    def contract(
        self, *, batch: int, height: int, width: int, dynamic: tuple[str, ...] = (), name: str = "images"
    ) -> InputContract:
        """Return the contract of an input of this size with this preprocessing."""
        values = {item.name: getattr(self, item.name) for item in fields(Preprocessing)}
        return InputContract(batch, height, width, dynamic, name, **values)


@dataclass(frozen=True)
class InputContract(Preprocessing):
    """The input of a model: its shape and preprocessing.

    Attributes:
        batch: Images per inference; the default if the batch is dynamic.
        height, width: Size in pixels, multiples of the largest stride; the default if that axis is dynamic.
        dynamic: Dynamic axes: any of ``batch``, ``height``, ``width``; empty for a static input.
        name: Name of the input tensor, float32 [B, 3, H, W]. A session converts it for a model with a float16 input.
    """

    batch: int
    height: int
    width: int
    dynamic: tuple[str, ...] = ()
    name: str = "images"
