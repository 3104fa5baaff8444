"""Pages of images with boxes and a caption each. Heavy: imports OpenCV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.detections import Detections
from core.drawing.boxes import Painter, TextWriter
from core.drawing.palette import WHITE
from core.drawing.regions import draw_regions
from core.drawing.text import shortened
from core.labels import Labels

MAX_ENLARGEMENT = 4.0
JPEG_QUALITY = 88
Image = NDArray[np.uint8]
"""uint8 BGR [H, W, 3]."""


@dataclass(frozen=True)
class Tiles:
    """Layout of a page.

    Attributes:
        side: Longer side of an image, pixels.
        gap: Space around an image, pixels.
        caption: Letter height of the captions, pixels.
        enlarging: OpenCV interpolation flag for enlarging small images.
    """

    side: int
    gap: int
    caption: int
    enlarging: int = cv2.INTER_LINEAR

    def tile(self, image: Image, found: Detections, painter: Painter, text: str) -> Image:
        """Scale an image, draw its boxes and add a caption below, shortened to fit.

        Args:
            image: uint8 BGR.
            found: Boxes in pixels of the image.
            painter: Draws the boxes.
            text: The caption.
        """
        height, width = image.shape[:2]
        ratio = min(self.side / height, self.side / width, MAX_ENLARGEMENT)
        size = max(1, round(width * ratio)), max(1, round(height * ratio))
        interpolation = cv2.INTER_AREA if ratio < 1 else self.enlarging
        small = np.asarray(cv2.resize(image, size, interpolation=interpolation), np.uint8)
        drawn = painter.draw(small, Detections(found.boxes * np.float32(ratio), found.scores, found.classes))
        writer = TextWriter(self.caption)
        line = writer.label_size("x")[1]
        tile = np.full((size[1] + line + self.gap, self.side + self.gap, 3), 255, np.uint8)
        left = (self.side - size[0]) // 2
        tile[: size[1], left : left + size[0]] = drawn
        short = shortened(text, lambda part: writer.label_size(part)[0] <= self.side)
        writer.write(tile, short, (0, size[1], self.side, size[1] + line), WHITE)
        return tile

    def page(self, tiles: Sequence[Image], columns: int) -> Image:
        """Arrange at least one tile in rows of up to ``columns``, aligned at the bottom."""
        columns = min(columns, len(tiles))
        cells = [*tiles, *[np.full_like(tiles[-1], 255)] * (-len(tiles) % columns)]
        rows = [_row(cells[start : start + columns]) for start in range(0, len(cells), columns)]
        bordered = cv2.copyMakeBorder(np.vstack(rows), self.gap, 0, self.gap, 0, cv2.BORDER_CONSTANT, value=WHITE)
        return np.asarray(bordered, np.uint8)


def _row(tiles: Sequence[Image]) -> Image:
    height = max(len(tile) for tile in tiles)
    return np.hstack([np.pad(tile, ((height - len(tile), 0), (0, 0), (0, 0)), constant_values=255) for tile in tiles])


def label_page(items: Iterable[tuple[Image, Labels, str]], names: Sequence[str], tiles: Tiles, columns: int) -> Image:
    """Draw a page of images with their ground truth: the boxes of the objects, and stripes over ignore regions.

    Args:
        items: uint8 BGR images with labels and captions, at least one.
        names: Class names.
        tiles: The layout.
        columns: Images per row.
    """
    painter = Painter(names, scores=False)
    drawn = ((draw_regions(image, labels), labels, text) for image, labels, text in items)
    return tiles.page(
        [tiles.tile(image, label_boxes(labels, image), painter, text) for image, labels, text in drawn], columns
    )


def label_boxes(labels: Labels, image: Image) -> Detections:
    """Return the labels as boxes in pixels, clipped to the image, smallest first so that they are drawn on top."""
    height, width = image.shape[:2]
    x, y, w, h = (labels.boxes * np.array([width, height, width, height])).T
    boxes = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1).astype(np.float32)
    boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    order = np.argsort(w * h, kind="stable")
    return Detections(boxes[order], np.ones(len(labels), np.float32), labels.classes[order])


def write_jpeg(image: Image, target: Path) -> None:
    """Write a uint8 BGR image; unlike ``cv2.imwrite`` this accepts any file name."""
    _, content = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    target.write_bytes(content.tobytes())
