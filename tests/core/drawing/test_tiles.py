from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.detections import Detections
from core.drawing.boxes import Painter
from core.drawing.tiles import Tiles, label_boxes, write_jpeg
from core.labels import Labels

TILES = Tiles(side=100, gap=10, caption=12)
NONE = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


@pytest.mark.parametrize(("size", "drawn"), [((200, 400), (50, 100)), ((50, 25), (100, 50)), ((10, 10), (40, 40))])
def test_a_tile_is_as_high_as_its_image(size: tuple[int, int], drawn: tuple[int, int]) -> None:
    tile = TILES.tile(np.zeros((*size, 3), np.uint8), NONE, Painter(["a"]), "")
    black = np.argwhere((tile == 0).all(axis=2))
    assert tuple(black.max(0) - black.min(0) + 1) == drawn
    assert black.min(0)[0] == 0
    assert tile.shape == (drawn[0] + 16 + TILES.gap, TILES.side + TILES.gap, 3)


def test_a_long_name_keeps_its_end_and_stays_within_the_tile() -> None:
    texts = [f"{'x' * 200}{end}" for end in ("001.jpg", "002.jpg", "001.jpg")]
    one, other, again = (TILES.tile(np.zeros((9, 9, 3), np.uint8), NONE, Painter([]), text) for text in texts)
    assert (one[:, TILES.side :] == 255).all()
    assert (one != other).any()
    assert (one == again).all()


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (3, (2, 2)), (4, (2, 2)), (5, (3, 2))])
def test_a_page_is_filled_up_with_white(count: int, shape: tuple[int, int]) -> None:
    tiles = [np.zeros((20, 30, 3), np.uint8)] * count
    page = TILES.page(tiles, 2)
    assert page.shape == (10 + 20 * shape[0], 10 + 30 * shape[1], 3)
    assert int((page == 0).all(axis=2).sum()) == count * 20 * 30


def test_the_tiles_of_a_row_end_at_one_line() -> None:
    page = TILES.page([np.zeros((height, 30, 3), np.uint8) for height in (20, 50, 10)], 2)
    assert page.shape == (10 + 50 + 10, 10 + 60, 3)
    assert [int((page[row] == 0).all(axis=1).sum()) for row in (10, 40, 60)] == [30, 60, 30]


def test_labels_become_boxes_with_the_small_ones_on_top() -> None:
    labels = Labels(np.array([3, 4], np.int32), np.array([[0.5, 0.5, 0.5, 0.5], [0.9, 0.5, 0.4, 0.1]]))
    found = label_boxes(labels, np.zeros((100, 200, 3), np.uint8))
    assert found.classes.tolist() == [4, 3]
    np.testing.assert_allclose(found.boxes, [[140, 45, 200, 55], [50, 25, 150, 75]], atol=1e-3)


def test_a_page_is_written_whatever_its_name(tmp_path: Path) -> None:
    write_jpeg(np.full((8, 16, 3), 200, np.uint8), tmp_path / "страница.jpg")
    content = np.frombuffer((tmp_path / "страница.jpg").read_bytes(), np.uint8)
    assert cv2.imdecode(content, cv2.IMREAD_COLOR).shape == (8, 16, 3)
