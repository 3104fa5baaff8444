"""Pages of pictures: what was labelled on the left, what was found on the right. Heavy: imports OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.dataset import Sample
from core.detections import Detections
from core.drawing.boxes import Painter, Writer
from core.evaluation.confusion import CONF
from core.evaluation.loop import Seen
from core.labels import Labels
from core.media.picture import UnreadableError, read_picture

PICTURES = 16
A_PAGE, ACROSS = 8, 2
"""Pictures a page, and pictures side by side, each twice."""
TILE, GAP, CAPTION = 400, 10, 14
"""Pixels: side of the square that holds a picture, space around it, height of the text."""
LARGEST = 4.0
"""Small pictures are enlarged by no more than this."""
QUALITY = 88
WHITE = (255, 255, 255)
Picture = NDArray[np.uint8]


def draw_pages(
    samples: Sequence[Sample], labels: Sequence[Labels], seen: Sequence[Seen], names: Sequence[str], folder: Path
) -> list[Path]:
    """Write ``val_predictions_1.jpg`` and so on: up to 16 pictures from all over ``seen``.

    Boxes with a score of :data:`core.evaluation.confusion.CONF` or more are drawn.

    Args:
        samples, labels: All of them.
        seen: Those that went through the model.
        names: Class names.
        folder: Where the pages go.
    """
    count = min(PICTURES, len(seen))
    picks = [round(index * (len(seen) - 1) / max(count - 1, 1)) for index in range(count)]
    tiles = [tile for pick in picks if (tile := _pair(samples, labels, seen[pick], names)) is not None]
    paths = []
    for number, start in enumerate(range(0, len(tiles), A_PAGE), start=1):
        path = folder / f"val_predictions_{number}.jpg"
        _, content = cv2.imencode(".jpg", _page(tiles[start : start + A_PAGE]), (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
        path.write_bytes(content.tobytes())
        paths.append(path)
    return paths


def _page(tiles: Sequence[Picture]) -> Picture:
    across = min(ACROSS, len(tiles))
    blank = [np.full_like(tiles[0], 255)] * (-len(tiles) % across)
    every = [*tiles, *blank]
    rows = [np.hstack(every[start : start + across]) for start in range(0, len(every), across)]
    return np.asarray(cv2.copyMakeBorder(np.vstack(rows), GAP, 0, GAP, 0, cv2.BORDER_CONSTANT, value=WHITE), np.uint8)


def _pair(samples: Sequence[Sample], labels: Sequence[Labels], picture: Seen, names: Sequence[str]) -> Picture | None:
    """The picture with its labels and with its predictions; None where the file has gone since."""
    try:
        pixels = read_picture(samples[picture.index].picture)
    except UnreadableError:
        return None
    ratio = min(TILE / picture.height, TILE / picture.width, LARGEST)
    given, found = _given(labels[picture.index], picture), _kept(picture.found)
    left = _tile(pixels, given, ratio, Painter(names, scores=False), f"labels: {samples[picture.index].picture.name}")
    right = _tile(pixels, found, ratio, Painter(names), f"predictions: {len(found)} at {CONF:g} or more")
    return np.hstack([left, right])


def _tile(pixels: Picture, boxes: Detections, ratio: float, painter: Painter, text: str) -> Picture:
    """The picture at the bottom of a white square, drawn at its final size, a line of text below."""
    height, width = max(1, round(pixels.shape[0] * ratio)), max(1, round(pixels.shape[1] * ratio))
    way = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(pixels, (width, height), interpolation=way), np.uint8)
    drawn = painter.draw(small, Detections(boxes.boxes * np.float32(ratio), boxes.scores, boxes.classes))
    writer = Writer(CAPTION)
    line = writer.plate("x")[1]
    tile = np.full((TILE + line + GAP, TILE + GAP, 3), 255, np.uint8)
    top, left = TILE - height, (TILE - width) // 2
    tile[top : top + height, left : left + width] = drawn
    while writer.plate(text)[0] > TILE:
        text = f"{text[:-2]}…"
    writer.write(tile, text, (0, TILE, TILE, TILE + line), WHITE)
    return tile


def _given(labels: Labels, picture: Seen) -> Detections:
    """The labels as boxes in pixels; small ones lie on top."""
    size = np.array([picture.width, picture.height], np.float64)
    centre, half = labels.boxes[:, :2] * size, labels.boxes[:, 2:] * size / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1).clip(0, [*size, *size]).astype(np.float32)
    order = np.argsort(half.prod(axis=1), kind="stable")
    return Detections(boxes[order], np.ones(len(labels), np.float32), labels.classes[order])


def _kept(found: Detections) -> Detections:
    kept = found.scores >= CONF
    return Detections(found.boxes[kept], found.scores[kept], found.classes[kept])
