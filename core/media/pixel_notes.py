"""What became of alpha channels and of more than 8 bits per channel, per image and for a whole run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from core.errors import counted
from core.media.choices import AUTO_DEPTH, Depth

BACKGROUND = 114
"""Gray on which an image with an alpha channel is composited: the border of the letterbox of YOLOv5."""
Alpha = Literal["", "composited", "left out"]
"""What became of the alpha channel of an image; empty if it has none, or if all of its pixels are opaque."""
OF_ALPHA: Mapping[str, str] = {"composited": f"composited on gray {BACKGROUND}", "left out": "left out"}
"""What to report for each state."""


@dataclass(frozen=True)
class DepthRange:
    """The values of an image with more than 8 bits per channel, and their scale.

    Attributes:
        bits: Bits per channel.
        floating: The values are floating-point numbers.
        low, high: Smallest and largest finite value, 0 if there is none.
        largest: Largest possible value; 1 for floating-point numbers.
        white: The value that becomes 255.
        finite: No value is NaN or infinite.
    """

    bits: int
    floating: bool
    low: float
    high: float
    largest: float
    white: float
    finite: bool = True

    @property
    def clipped(self) -> bool:
        """Whether there are values outside of 0 to ``white``."""
        return self.low < 0 or self.high > self.white or not self.finite

    def __str__(self) -> str:
        values = f"{number(self.low)} to {number(self.high)}"
        if self.floating:
            text = f"{self.bits}-bit floating-point channels, values {values}"
        else:
            text = f"{self.bits} bits per channel, values {values} of {number(self.largest)}"
        text += "" if self.finite else ", and NaN or infinity"
        text += f"; {number(self.white)} becomes 255"
        return text + (", values outside of 0 to it are clipped" if self.clipped else "")


class Scaled(Protocol):
    """An image with more than 8 bits per channel that was scaled."""

    @property
    def white(self) -> float:
        """The value that became 255."""

    @property
    def clipped(self) -> bool:
        """Whether there are values outside of 0 to ``white``."""


def number(value: float) -> str:
    """Return a number as text, without a fraction if it is an integer."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"


@dataclass
class PixelNotes:
    """Counts the images of a run that were composited or scaled.

    Attributes:
        composited: Images with an alpha channel, composited on gray.
        left_out: Images with an alpha channel that OpenCV does not decode.
        scales: Value that became 255 -> number of images.
        clipped: Images with values outside of their scale.
    """

    composited: int = 0
    left_out: int = 0
    scales: Counter[float] = field(default_factory=Counter)
    clipped: int = 0

    def add(self, alpha: str, values: Scaled | None) -> None:
        """Add an image; ``values`` is None if it has 8 bits per channel."""
        self.composited += alpha == "composited"
        self.left_out += alpha == "left out"
        if values is not None:
            self.scales[values.white] += 1
            self.clipped += values.clipped

    def lines(self, depth: Depth) -> Iterator[str]:
        """Yield a line per kind; ``depth`` is the value of ``image.depth``."""
        if self.composited:
            yield f"{_have(self.composited)} an alpha channel: {OF_ALPHA['composited']}"
        if self.left_out:
            yield f"{_have(self.left_out)} an alpha channel that OpenCV does not decode: left out"
        if self.scales:
            yield f"{_have(self.scales.total())} more than 8 bits per channel: {self._scaled(depth)}"

    def _scaled(self, depth: Depth) -> str:
        whites = sorted(self.scales)
        if len(whites) == 1:
            text = f"{number(whites[0])} becomes 255"
        else:
            text = ", ".join(f"{number(white)} becomes 255 in {self.scales[white]}" for white in whites)
        text += f" (image.depth={depth if isinstance(depth, str) else number(depth)})"
        if self.clipped:
            text += f"; values outside of 0 to it are clipped in {self.clipped}"
        if depth == AUTO_DEPTH and len(whites) > 1:
            text += f"; image.depth={number(whites[-1])} scales all alike"
        return text


def _have(count: int) -> str:
    return f"{counted(count, 'image')} {'has' if count == 1 else 'have'}"
