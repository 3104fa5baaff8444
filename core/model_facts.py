"""What a model is: its family, classes and strides, and what its input expects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Literal

Padding = Literal["centre", "top_left"]
"""Where the letterbox puts an image: in the centre of the input, or in its top left corner."""
Channels = Literal["rgb", "bgr"]
"""Order of the input's channels."""


class Precision(str, Enum):
    """Arithmetic of a model: ``fp32``, ``fp16`` (float32 inputs and outputs) or ``int8`` (Q/DQ)."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


class Int8Route(str, Enum):
    """How a model comes to int8: ``qdq``, in the graph; or by the ``calibrator`` of a runtime while it builds."""

    qdq = "qdq"
    calibrator = "calibrator"


DECODED = "decoded"
"""The layout of every grafted model (:class:`core.kinds.head.DecodedHead`). A model family names all others."""


@dataclass(frozen=True)
class ModelFacts:
    """What a detector is, independent of the file format it lies in.

    Attributes:
        family: Name of the model family, a :class:`ModelFamily`, which can rebuild it and decodes its outputs.
        variant: Size, one of ``ModelFamily.variants``; the stem of the file where the family does not know it.
        names: Class names, index = class id.
        strides: Pixels of the network input per cell of each output level, smallest first, e.g. ``(8, 16, 32)``.
        head: What else the family needs to know of its outputs, e.g. anchors: JSON values that only the family reads.
            Lists and not tuples, so that they are equal to what is read back from a file.
    """

    family: str
    variant: str
    names: tuple[str, ...]
    strides: tuple[int, ...]
    head: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        """Number of classes, nc."""
        return len(self.names)

    @property
    def max_stride(self) -> int:
        """The largest stride: height and width of the input are multiples of it."""
        return max(self.strides)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How an image becomes network input; a model family states it, and every processor obeys it.

    A value of the input is ``level * scale + offset``, where the level is that of the image or the border, 0..255. The
    defaults are RGB 0..1 with a centred image on grey.

    Attributes:
        padding: Where the image lies in the input: ``centre``, between two borders, or ``top_left``.
        pad_value: Level 0..255 of the letterbox border, before scaling.
        channels: Order of the planes, ``rgb`` or ``bgr``. Images are read as BGR.
        scale: Factor of a level.
        offset: Summand, after scaling.
    """

    padding: Padding = "centre"
    pad_value: int = 114
    channels: Channels = "rgb"
    scale: float = 1.0 / 255.0
    offset: float = 0.0

    def contract(
        self, *, batch: int, height: int, width: int, dynamic: tuple[str, ...] = (), name: str = "images"
    ) -> InputContract:
        """Return the contract of an input of this size whose images are prepared in this way."""
        values = {item.name: getattr(self, item.name) for item in fields(Preprocessing)}
        return InputContract(batch, height, width, dynamic, name, **values)


@dataclass(frozen=True)
class InputContract(Preprocessing):
    """The input that a model expects.

    Attributes:
        batch: Images per inference; the number to use where the batch is dynamic.
        height, width: Size in pixels, multiples of the largest stride; the size to use where that axis is dynamic.
        dynamic: Which of ``batch``, ``height``, ``width`` may change from call to call; empty for a static input.
        name: Name of the input tensor, float32 [B, 3, H, W]; a session converts to float16 for a file that takes that.
    """

    batch: int
    height: int
    width: int
    dynamic: tuple[str, ...] = ()
    name: str = "images"
