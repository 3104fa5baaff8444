"""Draw boxes with labels into an image. Heavy: imports OpenCV."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from core.detections import Detections
from core.drawing.labels import Corners, place_labels
from core.drawing.palette import Colour, class_colour, text_colour
from core.drawing.text import class_label, drawable, visual_order

BOLD = 600
MIN_LABEL_HEIGHTS = 12
"""A label may always be this many letter heights wide, even if a third of the image is less."""
MAX_LABELS = 1000
"""Maximum number of labels per image; the time to place them grows with the square of their number."""


class Painter:
    """Draws boxes with class names and scores, in one style for ground truth and predictions, images, video and pages.

    The first :data:`MAX_LABELS` boxes of an image get a label.

    Args:
        names: Class names.
        line_width: Line width in pixels; None derives it from the image size.
        labels: Draw names and scores.
        scores: Append the score to the name; False for ground truth.
    """

    def __init__(
        self, names: Sequence[str], line_width: int | None = None, *, labels: bool = True, scores: bool = True
    ) -> None:
        self._names = names
        self._line_width = line_width
        self._labels = labels
        self._scores = scores
        self._shown: dict[tuple[int, int, int], str] = {}
        """Displayed name by class, letter height and maximum label width."""

    def draw(self, image: NDArray[np.uint8], found: Detections) -> NDArray[np.uint8]:
        """Return a copy of a uint8 BGR image with the boxes; boxes with high scores are on top."""
        canvas = np.ascontiguousarray(image).copy()
        height, width = canvas.shape[:2]
        line = self._line_width or max(1, round((height + width) * 0.002))
        boxes = [_corners(box, width, height) for box in found.boxes.tolist()]
        classes = found.classes.tolist()
        for index in reversed(range(len(found))):
            _box(canvas, boxes[index], classes[index], line)
        if self._labels and len(found):
            self._write_labels(canvas, found, boxes, line)
        return canvas

    def _write_labels(self, canvas: NDArray[np.uint8], found: Detections, boxes: Sequence[Corners], line: int) -> None:
        height, width = canvas.shape[:2]
        size = max(10, round(min(height, width) * 0.02 + 2))
        room = min(width, max(width // 3, MIN_LABEL_HEIGHTS * size))
        writer = TextWriter(size)
        classes, scores = found.classes[:MAX_LABELS].tolist(), found.scores[:MAX_LABELS].tolist()
        texts = [self._text(number, score, writer, room) for number, score in zip(classes, scores, strict=True)]
        places = place_labels(boxes[:MAX_LABELS], [writer.label_size(text) for text in texts], (width, height), line)
        for text, place, number in reversed(list(zip(texts, places, classes, strict=True))):
            if place:
                writer.write(canvas, text, place, class_colour(number))

    def _text(self, number: int, score: float, writer: TextWriter, room: int) -> str:
        key = number, writer.size, room
        if key not in self._shown:
            end = " 0.00" if self._scores else ""
            self._shown[key] = class_label(
                number, self._names[number], lambda name: writer.label_size(name + end)[0] <= room, has_glyph
            )
        return f"{self._shown[key]} {score:.2f}" if self._scores else self._shown[key]


def _corners(box: Sequence[float], width: int, height: int) -> Corners:
    """Return the box in integer pixels, clipped to the image at the right and bottom."""
    left, top, right, bottom = map(round, box)
    return left, top, min(right, width - 1), min(bottom, height - 1)


def _box(canvas: NDArray[np.uint8], corners: Corners, number: int, line: int) -> None:
    """Draw a coloured line on a wider dark one, so that it is visible on a background of its own colour."""
    colour, dark = _line_colours(number)
    _outline(canvas, corners, dark, line + 2)
    _outline(canvas, corners, colour, line)


@cache
def _line_colours(number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    colour = np.array(class_colour(number), np.uint8)
    return colour, colour // 4


def _outline(canvas: NDArray[np.uint8], corners: Corners, colour: NDArray[np.uint8], line: int) -> None:
    """Draw a rectangle with exactly this line width, half of it outside the box; OpenCV rounds widths up."""
    left, top = max(0, corners[0] - line // 2), max(0, corners[1] - line // 2)
    right, bottom = corners[2] + line // 2 + 1, corners[3] + line // 2 + 1
    canvas[top : top + line, left:right] = colour
    canvas[max(0, bottom - line) : bottom, left:right] = colour
    canvas[top:bottom, left : left + line] = colour
    canvas[top:bottom, max(0, right - line) : right] = colour


class TextWriter:
    """Draws text of one height on a filled background; OpenCV 5 draws most scripts, OpenCV 4 only ASCII.

    Args:
        size: Letter height in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._pad = max(2, size // 5)
        self._font = _font()

    def label_size(self, text: str) -> tuple[int, int]:
        """Return width and height in pixels of a label."""
        if self._font:
            width = cv2.getTextSize((0, 0), visual_order(drawable(text)), (0, 0), self._font, self.size, BOLD)[2]
        else:
            width = cv2.getTextSize(to_ascii(text), cv2.FONT_HERSHEY_SIMPLEX, self.size / 30, 1)[0][0]
        return int(width) + 2 * self._pad, self.size + 2 * self._pad

    def write(self, canvas: NDArray[np.uint8], text: str, place: Corners, colour: Colour) -> None:
        """Fill the rectangle ``place`` and draw the text on it."""
        left, top, right, bottom = place
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), colour, cv2.FILLED)
        origin, ink = (left + self._pad, top + self._pad + round(self.size * 0.8)), text_colour(colour)
        if self._font:
            cv2.putText(canvas, visual_order(drawable(text)), origin, ink, self._font, self.size, BOLD)
        else:
            scale = self.size / 30
            cv2.putText(canvas, to_ascii(text), origin, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)


def _font() -> cv2.FontFace | None:
    """Return the outline font of OpenCV 5; None with OpenCV 4."""
    return cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None


def has_glyph(letter: str) -> bool:
    """Return whether OpenCV can draw a character; it draws ``?`` instead of others."""
    return _outlined(letter) if _font() else "?" not in to_ascii(letter)


@cache
def _outlined(letter: str) -> bool:
    return letter == "?" or not np.array_equal(_drawn(letter), _drawn("?"))


def _drawn(letter: str) -> NDArray[np.uint8]:
    canvas = np.zeros((32, 48), np.uint8)
    cv2.putText(canvas, letter, (8, 24), 255, cv2.FontFace("sans"), 20, BOLD)
    return canvas


def to_ascii(text: str) -> str:
    """Return the text in ASCII: accents are dropped, and other characters become ``?``."""
    plain = unicodedata.normalize("NFKD", drawable(text))
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).encode("ascii", "replace").decode()
