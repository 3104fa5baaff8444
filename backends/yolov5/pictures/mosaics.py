"""A page of training pictures with their boxes, to be looked at."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from backends.yolov5.pictures.samples import Batch, Picture

MOST = 16
LONGEST_SIDE = 1920
GAP = 4
FONT = cv2.FONT_HERSHEY_SIMPLEX
FONT_SCALE = 0.45
GOLDEN_ANGLE = 0.381966
"""Part of a circle by which neighbouring classes differ in hue."""


def write_page(path: Path, batch: Batch, names: Sequence[str]) -> Path:
    """Write up to 16 pictures of a batch with their boxes and class names as one page.

    Args:
        path: A .jpg or .png file.
        batch: What the loader gave.
        names: Class names, index = class id.
    """
    shown = min(len(batch.images), MOST)
    pictures = [np.ascontiguousarray(image[::-1].transpose(1, 2, 0)) for image in batch.images[:shown].numpy()]
    columns = math.ceil(math.sqrt(shown))
    side = max(max(picture.shape[:2]) for picture in pictures)
    scale = min((LONGEST_SIDE / columns - GAP) / side, 1.0)
    targets = batch.targets.numpy()
    cells = [
        _cell(picture, targets[targets[:, 0] == index, 1:], names, scale) for index, picture in enumerate(pictures)
    ]
    done, content = cv2.imencode(path.suffix, _grid(cells, columns))
    if not done:
        raise ValueError(f"OpenCV cannot write '{path.suffix}' files")
    path.write_bytes(content.tobytes())
    return path


def _cell(picture: Picture, rows: NDArray[np.float32], names: Sequence[str], scale: float) -> Picture:
    """One picture at its size on the page, with its boxes; large boxes are drawn first."""
    height, width = (max(round(side * scale), 1) for side in picture.shape[:2])
    cell: Picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    for row in sorted(rows, key=lambda row: -row[3] * row[4]):
        centre, half = row[1:3], row[3:5] / 2
        left, top = np.round((centre - half) * (width, height)).astype(int).tolist()
        right, bottom = np.round((centre + half) * (width, height)).astype(int).tolist()
        colour = _colour(int(row[0]))
        cv2.rectangle(cell, (left, top), (max(right - 1, left), max(bottom - 1, top)), colour, 2)
        name = names[int(row[0])].encode("ascii", "replace").decode()  # all that this font has
        _write_name(cell, name, (left, top), colour)
    return cell


def _write_name(cell: Picture, name: str, corner: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """The name on its colour, above the box where there is room, within the picture."""
    (width, height), base = cv2.getTextSize(name, FONT, FONT_SCALE, 1)
    left = max(min(corner[0], cell.shape[1] - width - 4), 0)
    bottom = corner[1] if corner[1] >= height + base + 2 else corner[1] + height + base + 2
    cv2.rectangle(cell, (left, bottom - height - base - 2), (left + width + 3, bottom), colour, -1)
    ink = (0, 0, 0) if np.dot(colour, (0.114, 0.587, 0.299)) > 140 else (255, 255, 255)
    cv2.putText(cell, name, (left + 2, bottom - base), FONT, FONT_SCALE, ink, 1, cv2.LINE_AA)


def _colour(number: int) -> tuple[int, int, int]:
    """BGR, unlike that of the classes before and after."""
    red, green, blue = colorsys.hsv_to_rgb(number * GOLDEN_ANGLE % 1, 0.85, 0.95 if number % 2 else 0.75)
    return round(blue * 255), round(green * 255), round(red * 255)


def _grid(cells: Sequence[Picture], columns: int) -> Picture:
    """Cells of one size side by side on white."""
    height, width = cells[0].shape[:2]
    rows = math.ceil(len(cells) / columns)
    page = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), 255, np.uint8)
    for number, cell in enumerate(cells):
        top, left = GAP + number // columns * (height + GAP), GAP + number % columns * (width + GAP)
        page[top : top + height, left : left + width] = cell
    return page
