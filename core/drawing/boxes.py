"""Boxes drawn into a picture. Heavy: imports OpenCV."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from core.detections import Detections
from core.drawing.labels import Corners, class_label, drawable, place_plates, visual_order
from core.drawing.palette import Colour, class_colour, text_colour

BOLD = 600
LABEL_HEIGHTS = 12
"""A label may be this many times as wide as its letters are high where a third of the picture is less."""
MAX_LABELS = 1000
"""Boxes of an image that get a label: the time to place labels grows with the square of their number."""


class Painter:
    """Draws boxes with class names and scores: the one look of labels and predictions on images, video and pages.

    Of more than :data:`MAX_LABELS` boxes in an image, the first ones get a label.

    Args:
        names: Class names.
        line_width: Pixels; None follows the size of the picture.
        labels: Write names and scores.
        scores: Write scores after the names; off for labels that people gave.
    """

    def __init__(
        self, names: Sequence[str], line_width: int | None = None, *, labels: bool = True, scores: bool = True
    ) -> None:
        self._names = names
        self._line_width = line_width
        self._labels = labels
        self._scores = scores
        self._shown: dict[tuple[int, int, int], str] = {}
        """The name that is drawn, by class, height of the letters and width that a label may have."""

    def draw(self, picture: NDArray[np.uint8], found: Detections) -> NDArray[np.uint8]:
        """A copy of the uint8 BGR picture with the boxes; those of high scores lie on top."""
        canvas = np.ascontiguousarray(picture).copy()
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
        room = min(width, max(width // 3, LABEL_HEIGHTS * size))
        writer = TextWriter(size)
        classes, scores = found.classes[:MAX_LABELS].tolist(), found.scores[:MAX_LABELS].tolist()
        texts = [self._text(number, score, writer, room) for number, score in zip(classes, scores, strict=True)]
        plates = place_plates(boxes[:MAX_LABELS], [writer.plate(text) for text in texts], (width, height), line)
        for text, plate, number in reversed(list(zip(texts, plates, classes, strict=True))):
            if plate:
                writer.write(canvas, text, plate, class_colour(number))

    def _text(self, number: int, score: float, writer: TextWriter, room: int) -> str:
        key = number, writer.size, room
        if key not in self._shown:
            end = " 0.00" if self._scores else ""
            self._shown[key] = class_label(
                number, self._names[number], lambda name: writer.plate(name + end)[0] <= room, has_glyph
            )
        return f"{self._shown[key]} {score:.2f}" if self._scores else self._shown[key]


def _corners(box: Sequence[float], width: int, height: int) -> Corners:
    """Whole pixels inside the picture."""
    left, top, right, bottom = map(round, box)
    return left, top, min(right, width - 1), min(bottom, height - 1)


def _box(canvas: NDArray[np.uint8], corners: Corners, number: int, line: int) -> None:
    """The coloured line lies on a wider dark one, so that it shows on its own colour too."""
    colour, dark = _line_colours(number)
    _outline(canvas, corners, dark, line + 2)
    _outline(canvas, corners, colour, line)


@cache
def _line_colours(number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    colour = np.array(class_colour(number), np.uint8)
    return colour, colour // 4


def _outline(canvas: NDArray[np.uint8], corners: Corners, colour: NDArray[np.uint8], line: int) -> None:
    """A rectangle of exactly this line width, half of it outside; OpenCV's own widths are rounded up."""
    left, top = max(0, corners[0] - line // 2), max(0, corners[1] - line // 2)
    right, bottom = corners[2] + line // 2 + 1, corners[3] + line // 2 + 1
    canvas[top : top + line, left:right] = colour
    canvas[max(0, bottom - line) : bottom, left:right] = colour
    canvas[top:bottom, left : left + line] = colour
    canvas[top:bottom, max(0, right - line) : right] = colour


class TextWriter:
    """Text of one height on filled plates: OpenCV 5 writes most scripts, OpenCV 4 only ASCII.

    Args:
        size: Height of the letters, pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._pad = max(2, size // 5)
        self._font = _font()

    def plate(self, text: str) -> tuple[int, int]:
        """Width and height in pixels that a label takes."""
        if self._font:
            width = cv2.getTextSize((0, 0), visual_order(drawable(text)), (0, 0), self._font, self.size, BOLD)[2]
        else:
            width = cv2.getTextSize(to_ascii(text), cv2.FONT_HERSHEY_SIMPLEX, self.size / 30, 1)[0][0]
        return int(width) + 2 * self._pad, self.size + 2 * self._pad

    def write(self, canvas: NDArray[np.uint8], text: str, plate: Corners, colour: Colour) -> None:
        """Fill the plate and write on it."""
        left, top, right, bottom = plate
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), colour, cv2.FILLED)
        origin, ink = (left + self._pad, top + self._pad + round(self.size * 0.8)), text_colour(colour)
        if self._font:
            cv2.putText(canvas, visual_order(drawable(text)), origin, ink, self._font, self.size, BOLD)
        else:
            scale = self.size / 30
            cv2.putText(canvas, to_ascii(text), origin, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)


def _font() -> cv2.FontFace | None:
    """The outline font of OpenCV 5; None with OpenCV 4."""
    return cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None


def has_glyph(letter: str) -> bool:
    """Return whether OpenCV can draw a character; it draws ``?`` for others."""
    return _outlined(letter) if _font() else "?" not in to_ascii(letter)


@cache
def _outlined(letter: str) -> bool:
    return letter == "?" or not np.array_equal(_drawn(letter), _drawn("?"))


def _drawn(letter: str) -> NDArray[np.uint8]:
    canvas = np.zeros((32, 48), np.uint8)
    cv2.putText(canvas, letter, (8, 24), 255, cv2.FontFace("sans"), 20, BOLD)
    return canvas


def to_ascii(text: str) -> str:
    """Accents are dropped; what has no ASCII letter, or cannot be drawn, becomes ``?``."""
    plain = unicodedata.normalize("NFKD", drawable(text))
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).encode("ascii", "replace").decode()
