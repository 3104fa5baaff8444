from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from backends.yolov5.pictures.mosaics import write_page
from backends.yolov5.pictures.samples import Batch


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (5, 3, 2), (20, 4, 4)])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_page_holds_up_to_sixteen_pictures(tmp_path, count, columns, rows, suffix):
    images = torch.full((count, 3, 96, 64), 90, dtype=torch.uint8)
    batch = Batch(images, torch.zeros(0, 6), [Path(str(number)) for number in range(count)])
    page = cv2.imread(str(write_page(tmp_path / f"page{suffix}", batch, ["a"])))
    assert page.shape == (rows * 100 + 4, columns * 68 + 4, 3)


def test_boxes_are_drawn_where_they_are_in_their_picture_only(tmp_path):
    images = torch.zeros((2, 3, 100, 100), dtype=torch.uint8)
    targets = torch.tensor([[1, 0, 0.5, 0.5, 0.4, 0.6]])
    page = cv2.imread(str(write_page(tmp_path / "page.png", Batch(images, targets, [Path("a"), Path("b")]), ["bus"])))
    first, second = page[4:104, 4:104], page[4:104, 108:208]
    assert not first.any()
    ys, xs = np.nonzero(second[25:].any(2))
    assert (xs.min(), xs.max()) == (29, 70)
    assert ys.max() + 25 == 80
    assert not second[40:70, 40:60].any()


def test_large_pictures_are_made_smaller(tmp_path):
    images = torch.zeros((16, 3, 1280, 1280), dtype=torch.uint8)
    page = cv2.imread(str(write_page(tmp_path / "page.png", Batch(images, torch.zeros(0, 6), [Path("a")] * 16), ["a"])))
    assert page.shape[:2] == (1924, 1924)


@pytest.mark.parametrize("name", ["caf\udce9", "a\x00b", "行人"])
def test_any_name_of_a_class_is_drawn(tmp_path, name):
    batch = Batch(
        torch.zeros((1, 3, 100, 100), dtype=torch.uint8), torch.tensor([[0, 0, 0.5, 0.5, 0.4, 0.6]]), [Path()]
    )
    assert write_page(tmp_path / "page.png", batch, [name]).stat().st_size
