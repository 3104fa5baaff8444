"""The page of the first training batch: the images as the network sees them, drawn like every other page."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from backends.yolov5.data.samples import TrainingBatch
from backends.yolov5.training_reports import TILES, draw_batch
from core.drawing.palette import class_colour


def batch_of(count: int, size: tuple[int, int] = (96, 64), rows: torch.Tensor | None = None) -> TrainingBatch:
    images = torch.full((count, 3, *size), 90, dtype=torch.uint8)
    targets = torch.zeros(0, 6) if rows is None else rows
    return TrainingBatch(images, targets, [Path(f"{number}.jpg") for number in range(count)])


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (5, 3), (20, 4)])
def test_a_page_holds_up_to_sixteen_images(tmp_path: Path, count: int, columns: int) -> None:
    page = cv2.imread(str(draw_batch(batch_of(count), ["a"], tmp_path)))
    assert page.shape[1] == columns * (TILES.side + TILES.gap) + TILES.gap
    rows = -(-min(count, 16) // columns)
    assert rows * 384 < page.shape[0] < rows * 420  # small images are enlarged by four


def test_boxes_are_drawn_in_their_image_only(tmp_path: Path) -> None:
    rows = torch.tensor([[1, 7, 0.5, 0.5, 0.4, 0.6]])
    page = cv2.imread(str(draw_batch(batch_of(2, (480, 480), rows), ["name"] * 8, tmp_path))).astype(int)
    first, second = (page[8:488, left : left + 480] for left in (8, 496))
    assert np.abs(first - 90).max() < 12
    coloured = np.abs(second - class_colour(7)).sum(axis=2) < 150
    ys, xs = np.nonzero(coloured[160:])
    assert abs(xs.min() - 144) <= 2
    assert abs(xs.max() - 336) <= 2
    assert abs(ys.max() + 160 - 384) <= 2


def test_regions_are_striped_in_their_image(tmp_path: Path) -> None:
    batch = batch_of(2, (480, 480))._replace(regions=torch.tensor([[1, 0.5, 0.25, 1.0, 0.5]]))
    page = cv2.imread(str(draw_batch(batch, ["a"], tmp_path))).astype(int)
    first, second = (page[8:488, left : left + 480] for left in (8, 496))
    assert np.abs(first - 90).max() < 12
    assert np.abs(second[260:] - 90).max() < 12
    assert (second[:240] < 40).mean() > 0.05
    assert (second[:240] > 200).mean() > 0.05


def test_the_colours_are_those_of_the_images(tmp_path: Path) -> None:
    batch = batch_of(1, (480, 480))
    batch.images[0, 0] = 255  # red
    page = cv2.imread(str(draw_batch(batch, ["a"], tmp_path)))
    assert np.abs(page[200, 200].astype(int) - (90, 90, 255)).max() < 8


@pytest.mark.parametrize("name", ["caf\udce9", "a\x00b", "行人", "🚗" * 60])
def test_any_name_of_a_class_is_drawn(tmp_path: Path, name: str) -> None:
    rows = torch.tensor([[0, 0, 0.5, 0.5, 0.4, 0.6]])
    assert draw_batch(batch_of(1, (100, 100), rows), [name], tmp_path).stat().st_size
