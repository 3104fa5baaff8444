"""What became of alpha channels and of more than 8 bits per channel, per image and for a whole run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from core.errors import counted
from core.media.choices import AUTO_DEPTH, Depth

BACKGROUND = 114
"""Gray on which an image with an alpha channel is composited: the default border of the letterbox."""
DARK = 16
"""An image is almost black if no value reaches this fraction of the one that becomes 255."""
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

    @property
    def dark(self) -> bool:
        """Whether the image is almost black: no value reaches a sixteenth of ``white``."""
        return self.high < self.white / DARK

    def __str__(self) -> str:
        values = f"{number(self.low)} to {number(self.high)}"
        if self.floating:
            text = f"{self.bits}-bit floating-point channels, values {values}"
        else:
            text = f"{self.bits} bits per channel, values {values} of {number(self.largest)}"
        text += "" if self.finite else ", and NaN or infinity"
        text += f"; {number(self.white)} becomes 255"
        text += ": almost black" if self.dark else ""
        return text + (", values outside of 0 to it are clipped" if self.clipped else "")


_RULE = re.compile(r"more than 8 bits per channel: .*\(image\.depth=([^)]*)\)")
"""The value of ``image.depth`` in a line of :meth:`PixelNotes.lines`."""


class Scaled(Protocol):
    """An image with more than 8 bits per channel that was scaled."""

    @property
    def white(self) -> float:
        """The value that became 255."""

    @property
    def clipped(self) -> bool:
        """Whether there are values outside of 0 to ``white``."""

    @property
    def dark(self) -> bool:
        """Whether it is almost black."""


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
        dark: Images that are almost black.
    """

    composited: int = 0
    left_out: int = 0
    scales: Counter[float] = field(default_factory=Counter)
    clipped: int = 0
    dark: int = 0

    def add(self, alpha: str, values: Scaled | None) -> None:
        """Add an image; ``values`` is None if it has 8 bits per channel."""
        self.composited += alpha == "composited"
        self.left_out += alpha == "left out"
        if values is not None:
            self.scales[values.white] += 1
            self.clipped += values.clipped
            self.dark += values.dark

    def lines(self, depth: Depth, model: Iterable[str] = ()) -> Iterator[str]:
        """Yield a line per kind.

        Args:
            depth: The value of ``image.depth``.
            model: The notes of the model that gets the images; those of its training and calibration images contain
                such lines.
        """
        if self.composited:
            yield f"{_have(self.composited)} an alpha channel: {OF_ALPHA['composited']}"
        if self.left_out:
            yield f"{_have(self.left_out)} an alpha channel that OpenCV does not decode: left out"
        yield from self.scaled_lines(depth)
        earlier = {found[1] for note in model if (found := _RULE.search(note))} - {_text(depth)}
        if self.scales and earlier:
            rules = " and ".join(f"image.depth={rule}" for rule in sorted(earlier))
            yield (
                f"the model was trained or calibrated with {rules}, but this run has image.depth={_text(depth)}:"
                " the brightness of the images can differ"
            )

    def scaled_lines(self, depth: Depth) -> Iterator[str]:
        """Yield the line about images with more than 8 bits per channel, if there are any."""
        if self.scales:
            yield f"{_have(self.scales.total())} more than 8 bits per channel: {self._scaled(depth)}"

    def _scaled(self, depth: Depth) -> str:
        whites = sorted(self.scales)
        if len(whites) == 1:
            text = f"{number(whites[0])} becomes 255"
        else:
            text = ", ".join(f"{number(white)} becomes 255 in {self.scales[white]}" for white in whites)
        text += f" (image.depth={_text(depth)})"
        if self.clipped:
            text += f"; values outside of 0 to it are clipped in {self.clipped}"
        if self.dark:
            text += f"; {self.dark} almost black (no value reaches 1/{DARK} of it)"
        if depth == AUTO_DEPTH and len(whites) > 1 and whites[0] > 1:
            text += f"; image.depth={number(whites[-1])} scales all alike"
        return text


def _text(depth: Depth) -> str:
    return depth if isinstance(depth, str) else number(depth)


def _have(count: int) -> str:
    return f"{counted(count, 'image')} {'has' if count == 1 else 'have'}"
