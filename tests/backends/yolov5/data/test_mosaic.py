"""Tiles drawn in one step give what the plain way over a canvas gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from backends.yolov5.data.boxes import (
    Rectangle,
    follow,
    keep_mask,
    project,
    random_matrix,
    to_corners,
    to_fractions,
)
from backends.yolov5.data.drawing import draw
from backends.yolov5.data.mosaic import blend, compose, flip, mosaic, single
from backends.yolov5.data.samples import REGION, LabelledImage
from backends.yolov5.training.options import TrainingOptions
from tests.backends.yolov5.data.canvas import compose_on_canvas

SIDE = 320


def smooth(shape, seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)


SHAPES = ((320, 240), (200, 320), (320, 320), (120, 320))
PAGE_IMAGES = [smooth(shape, number) for number, shape in enumerate(SHAPES)]
BOX = np.array([[0.5, 0.5, 0.4, 0.6], [0.2, 0.3, 0.2, 0.2]], np.float32)
SAMPLES = [LabelledImage(Path(str(number)), np.array([number, number], np.int32), BOX) for number in range(4)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "options",
    [
        TrainingOptions(),
        TrainingOptions(degrees=30, shear=10),
        TrainingOptions(degrees=10, perspective=0.0005),
    ],
    ids=["upright", "turned", "perspective"],
)
def test_one_step_equals_the_canvas_up_to_interpolation(options, seed):
    rng = np.random.default_rng(seed)
    tiles = mosaic([0, 1, 2, 3], SIDE, rng)
    matrix = random_matrix(options, rng, (2 * SIDE, 2 * SIDE), (SIDE, SIDE))
    image, rows = compose(tiles, matrix, (SIDE, SIDE), SAMPLES, PAGE_IMAGES.__getitem__)
    plain = compose_on_canvas(tiles, matrix, SIDE, PAGE_IMAGES)
    assert np.abs(image.astype(int) - plain).mean() < 1.5
    assert rows.shape[1] == 5


@pytest.mark.parametrize("seed", range(6))
def test_boxes_equal_those_of_the_canvas(seed):
    """Turned tiles are drawn by the very matrix of the canvas; upright ones moved by at most a pixel."""
    rng = np.random.default_rng(seed)
    tiles = mosaic([0, 1, 2, 3], SIDE, rng)
    for options, within in ((TrainingOptions(degrees=20, shear=5, perspective=2e-4), 1e-4), (TrainingOptions(), 1.0)):
        matrix = random_matrix(options, np.random.default_rng(seed), (2 * SIDE, 2 * SIDE), (SIDE, SIDE))
        _, rows = compose(tiles, matrix, (SIDE, SIDE), SAMPLES, PAGE_IMAGES.__getitem__)
        expected = []
        for tile in tiles:
            place, covered = tile.place(SHAPES[tile.index])
            on_canvas = project(place, to_corners(BOX, SHAPES[tile.index]))
            low, high = np.array(covered[:2] * 2), np.array(covered[2:] * 2)
            visible = np.clip(project(matrix, np.clip(on_canvas, low, high)), 0, SIDE)
            kept = keep_mask(project(matrix, on_canvas), visible)
            expected += [[tile.index, *box] for box in visible[kept]]
        assert len(rows) == len(expected) > 0
        np.testing.assert_allclose(rows, expected, atol=within)


@pytest.mark.parametrize("seed", range(20))
def test_upright_tiles_meet_without_a_gap(seed):
    rng = np.random.default_rng(seed)
    white = [np.full((SIDE, SIDE, 3), 255, np.uint8)] * 4
    tiles = mosaic([0, 1, 2, 3], SIDE, rng)
    matrix = random_matrix(TrainingOptions(translate=0), rng, (2 * SIDE, 2 * SIDE), (SIDE, SIDE))
    image, _ = compose(tiles, matrix, (SIDE, SIDE), SAMPLES, white.__getitem__)
    rows, columns = np.nonzero((image == 255).all(2))
    block = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert (block == 255).all()


def test_the_matrix_of_a_cut_tile_is_within_a_pixel_of_the_asked_one():
    rng = np.random.default_rng(0)
    for _ in range(50):
        (tile,) = single(0, (SIDE, SIDE))
        place, covered = tile.place(SHAPES[0])
        matrix = random_matrix(TrainingOptions(), rng, (SIDE, SIDE), (SIDE, SIDE))
        drawn = draw(np.zeros((SIDE, SIDE, 3), np.uint8), PAGE_IMAGES[0], place, covered, matrix)
        corners = np.array([drawn.shown])
        assert np.abs(project(drawn.matrix, corners) - project(matrix @ place, corners)).max() <= 1


def test_nothing_is_drawn_outside_or_behind():
    output, place = np.zeros((32, 32, 3), np.uint8), np.eye(3)
    area = Rectangle(0, 0, 240, 320)
    outside = np.array([[1, 0, 40], [0, 1, 0], [0, 0, 1.0]])
    behind = np.array([[1, 0, 0], [0, 1, 0], [0, 0, -1.0]])
    assert draw(output, PAGE_IMAGES[0], place, area, outside) is None
    assert draw(output, PAGE_IMAGES[0], place, area, behind) is None
    assert not output.any()


def test_a_box_half_behind_the_eye_is_what_is_seen_of_it():
    matrix = np.array([[1, 0, 0], [0, 1, 0], [-0.01, 0, 1.0]])  # the plane x = 100 is infinitely far
    (box,) = project(matrix, np.array([[50, 0, 150, 10.0]]))
    np.testing.assert_allclose(box, [100, 0, 95 / 0.05, 10 / 0.05])
    assert np.isnan(project(matrix, np.array([[110, 0, 150, 10.0]]))).all()
    behind = follow(np.array([[110, 0, 150, 10.0]]), matrix, Rectangle(0, 0, 200, 200), (64, 64))
    assert not behind[1].any()


@pytest.mark.parametrize(
    ("whole", "visible", "kept"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), True),
        ((0, 0, 2, 10), (0, 0, 2, 10), False),
        ((0, 0, 10, 10), (0, 0, 10, 1), False),
        ((-85, 0, 15, 10), (0, 0, 15, 10), True),
        ((-95, 0, 5, 10), (0, 0, 5, 10), False),
        ((0, 0, 400, 3.9), (0, 0, 400, 3.9), False),
    ],
)
def test_boxes_keep_mask(whole, visible, kept):
    assert keep_mask(np.array([whole], float), np.array([visible], float)).tolist() == [kept]


def test_fractions_and_corners_are_inverse():
    boxes = np.random.default_rng(0).uniform(0, 1, (9, 4))
    np.testing.assert_allclose(to_fractions(to_corners(boxes, (30, 50)), (30, 50)), boxes)


def test_flips_move_boxes_and_pixels():
    image = np.zeros((10, 20, 3), np.uint8)
    image[1:3, 4:9] = 255
    rows = np.array([[7, 4, 1, 9, 3.0]])
    for sideways in (False, True):
        for over in (False, True):
            flipped, moved = flip(image, rows, fliplr=sideways, flipud=over)
            ys, xs = np.nonzero(flipped[..., 0])
            assert moved.tolist() == [[7, xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]]


def test_blending_weighs_the_first():
    first = np.full((2, 2, 3), 100, np.uint8), np.ones((1, 5))
    second = np.full((2, 2, 3), 200, np.uint8), np.zeros((2, 5))
    image, rows = blend(first, second, 0.25)
    assert (image == 175).all()
    assert rows[:, 0].tolist() == [1, 0, 0]


def inside(region: np.ndarray, point: np.ndarray, margin: float = 1.5) -> bool:
    return bool((region[:2] - margin <= point).all() and (point <= region[2:] + margin).all())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "options", [TrainingOptions(), TrainingOptions(degrees=30, shear=10), TrainingOptions(degrees=9, perspective=5e-4)]
)
def test_regions_cover_what_they_covered(options: TrainingOptions, seed: int) -> None:
    """Every point of a region that is drawn is in a region of the output, and regions are clipped to the output."""
    rng = np.random.default_rng(seed)
    regions = np.column_stack([rng.uniform(0, 1, (30, 2)), rng.choice([0.002, 0.02, 0.3], (30, 2))]).astype(np.float32)
    samples = [replace(sample, regions=regions) for sample in SAMPLES]
    tiles = mosaic([0, 1, 2, 3], SIDE, rng)
    matrix = random_matrix(options, rng, (2 * SIDE, 2 * SIDE), (SIDE, SIDE))
    _, rows = compose(tiles, matrix, (SIDE, SIDE), samples, PAGE_IMAGES.__getitem__)
    _, objects = compose(tiles, matrix, (SIDE, SIDE), SAMPLES, PAGE_IMAGES.__getitem__)
    found = rows[rows[:, 0] == REGION][:, 1:]
    assert (rows[rows[:, 0] != REGION] == objects).all(), "regions do not change the boxes"
    assert ((found >= 0) & (found <= SIDE)).all()
    assert (found[:, 2:] > found[:, :2]).all()
    expected = []
    for tile in tiles:
        place, covered = tile.place(SHAPES[tile.index])
        for x, y in (regions[:, :2] * np.array(SHAPES[tile.index][::-1])) @ place[:2, :2].T + place[:2, 2]:
            point = matrix @ [x, y, 1]
            on_tile = covered.left < x < covered.right and covered.top < y < covered.bottom
            if on_tile and point[2] > 0 and (point[:2] / point[2] >= 0).all() and (point[:2] / point[2] <= SIDE).all():
                expected.append(point[:2] / point[2])
    assert len(expected) > 10
    assert all(any(inside(region, point) for region in found) for point in expected)


def test_a_region_is_dropped_only_if_nothing_of_it_is_visible() -> None:
    """Of a box of half a pixel nothing remains, of a region of half a pixel the region."""
    boxes = np.array([[0.5, 0.5, 0.5 / SIDE, 0.5 / SIDE], [1.2, 0.5, 0.2, 0.2], [1.1, 0.5, 0.21, 0.2]], np.float32)
    sample = LabelledImage(Path("a"), np.zeros(3, np.int32), boxes, regions=boxes)
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    _, rows = compose(single(0, (SIDE, SIDE)), np.eye(3), (SIDE, SIDE), [sample], lambda _: image)
    assert rows[:, 0].tolist() == [REGION, REGION]
    np.testing.assert_allclose(rows[0, 1:], [159.75, 159.75, 160.25, 160.25], atol=1e-4)
    np.testing.assert_allclose(rows[1, 1:], [SIDE * 0.995, SIDE * 0.4, SIDE, SIDE * 0.6], atol=1e-4)


def test_an_image_of_regions_only_keeps_them() -> None:
    sample = LabelledImage(Path("a"), np.zeros(0, np.int32), np.zeros((0, 4), np.float32), BOX)
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    _, rows = compose(single(0, (SIDE, SIDE)), np.eye(3), (SIDE, SIDE), [sample], lambda _: image)
    np.testing.assert_allclose(rows, np.column_stack([[REGION] * 2, to_corners(BOX, (SIDE, SIDE))]), atol=1e-4)
