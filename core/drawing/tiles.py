"""Pages of pictures with their boxes, each with a line of text below. Heavy: imports OpenCV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.detections import Detections
from core.drawing.boxes import Painter, TextWriter
from core.drawing.labels import shortened
from core.drawing.palette import WHITE
from core.labels import Labels

LARGEST = 4.0
"""Small pictures are enlarged by no more than this."""
QUALITY = 88
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Tiles:
    """The look of a page.

    Attributes:
        side: The longer side of a picture, pixels.
        gap: Space around it, pixels.
        caption: Height of the text, pixels.
        enlarging: OpenCV's interpolation for small pictures.
    """

    side: int
    gap: int
    caption: int
    enlarging: int = cv2.INTER_LINEAR

    def tile(self, picture: Picture, found: Detections, painter: Painter, text: str) -> Picture:
        """The picture, scaled and then drawn, with ``text`` below, shortened to fit; as high as they need.

        Args:
            picture: uint8 BGR.
            found: Boxes in its pixels.
            painter: Draws them.
            text: One line.
        """
        height, width = picture.shape[:2]
        ratio = min(self.side / height, self.side / width, LARGEST)
        size = max(1, round(width * ratio)), max(1, round(height * ratio))
        way = cv2.INTER_AREA if ratio < 1 else self.enlarging
        small = np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)
        drawn = painter.draw(small, Detections(found.boxes * np.float32(ratio), found.scores, found.classes))
        writer = TextWriter(self.caption)
        line = writer.plate("x")[1]
        tile = np.full((size[1] + line + self.gap, self.side + self.gap, 3), 255, np.uint8)
        left = (self.side - size[0]) // 2
        tile[: size[1], left : left + size[0]] = drawn
        short = shortened(text, lambda part: writer.plate(part)[0] <= self.side)
        writer.write(tile, short, (0, size[1], self.side, size[1] + line), WHITE)
        return tile

    def page(self, tiles: Sequence[Picture], across: int) -> Picture:
        """At least one tile in rows of ``across``, or of as many as there are; the tiles of a row end at one line."""
        across = min(across, len(tiles))
        every = [*tiles, *[np.full_like(tiles[-1], 255)] * (-len(tiles) % across)]
        rows = [_row(every[start : start + across]) for start in range(0, len(every), across)]
        bordered = cv2.copyMakeBorder(np.vstack(rows), self.gap, 0, self.gap, 0, cv2.BORDER_CONSTANT, value=WHITE)
        return np.asarray(bordered, np.uint8)


def _row(tiles: Sequence[Picture]) -> Picture:
    height = max(len(tile) for tile in tiles)
    return np.hstack([np.pad(tile, ((height - len(tile), 0), (0, 0), (0, 0)), constant_values=255) for tile in tiles])


def label_page(
    items: Iterable[tuple[Picture, Labels, str]], names: Sequence[str], tiles: Tiles, across: int
) -> Picture:
    """A page of pictures with what people labelled in them.

    Args:
        items: At least one uint8 BGR picture with its labels and the text below it.
        names: Class names.
        tiles: The look.
        across: Pictures in a row.
    """
    painter = Painter(names, scores=False)
    return tiles.page(
        [tiles.tile(picture, labelled(labels, picture), painter, text) for picture, labels, text in items], across
    )


def labelled(labels: Labels, picture: Picture) -> Detections:
    """The labels as boxes in pixels, clipped to the picture; small ones lie on top."""
    height, width = picture.shape[:2]
    x, y, w, h = (labels.boxes * np.array([width, height, width, height])).T
    boxes = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1).astype(np.float32)
    boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    order = np.argsort(w * h, kind="stable")
    return Detections(boxes[order], np.ones(len(labels), np.float32), labels.classes[order])


def write_jpeg(picture: Picture, target: Path) -> None:
    """Write a uint8 BGR picture; the name may hold any character."""
    _, content = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    target.write_bytes(content.tobytes())
