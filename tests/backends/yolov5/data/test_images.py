"""Boxes follow pixels; a draw alone determines an image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backends.yolov5.data.images import TrainingImages
from backends.yolov5.data.samples import Draw, LabelledImage
from backends.yolov5.errors import TrainingError
from backends.yolov5.training.options import TrainingOptions
from core.options.training import ImageCache
from tests.backends.yolov5.data.data_tools import COLOURS, PLAIN, rectangles, textures

SIDE = 128
UPRIGHT = {
    "nothing": {},
    "scale": {"scale": 0.5},
    "translate": {"translate": 0.3},
    "fliplr": {"fliplr": 0.5},
    "flipud": {"flipud": 0.5},
    "mosaic": {"mosaic": 1.0},
    "defaults": {"mosaic": 1.0, "scale": 0.5, "translate": 0.1, "fliplr": 0.5},
}


def images_of(*, epochs=10, **changes):
    samples, read = rectangles(6)
    options = replace(PLAIN, **changes)
    return TrainingImages(samples, read, options, imgsz=SIDE, epochs=epochs, seed=0)


def box_of_pixels(image, number):
    """left, top, right, bottom of the pixels more like the colour of class ``number`` than like anything else."""
    wanted = np.array(COLOURS[number % len(COLOURS)][::-1]).reshape(3, 1, 1)
    others = [np.array(colour[::-1]).reshape(3, 1, 1) for colour in (*COLOURS, (0, 0, 0), (114, 114, 114))]
    distances = [np.abs(image.astype(int) - other).sum(0) for other in others]
    mine = np.abs(image.astype(int) - wanted).sum(0)
    rows, columns = np.nonzero(mine <= np.minimum.reduce(distances))
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None


def labels_and_pixels(images, draw):
    """Corners of each label and of the pixels of its colour; not of a sample that a mosaic shows twice."""
    seen = []
    files = images.read
    images.read = lambda index: seen.append(index) or files(index)
    image, targets = images[draw]
    images.read = files
    for number, cx, cy, width, height in targets.numpy():
        if seen.count(int(number)) == 1:
            corners = np.array([cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2]) * SIDE
            found = box_of_pixels(image.numpy(), int(number))
            assert found is not None, (draw, number, corners)
            yield corners, np.array(found)


def check_boxes(images, draw, within=1.5):
    """Compare every label with the pixels of its colour; return how many were compared."""
    pairs = list(labels_and_pixels(images, draw))
    for corners, found in pairs:
        assert np.abs(corners - found).max() <= within, (draw, corners, found)
    return len(pairs)


@pytest.mark.parametrize("name", UPRIGHT)
def test_boxes_follow_pixels(name):
    images = images_of(**UPRIGHT[name])
    assert sum(check_boxes(images, Draw(epoch, index)) for epoch in range(8) for index in range(6)) >= 40


@pytest.mark.parametrize(
    "changes",
    [
        {"degrees": 180.0},
        {"shear": 20.0},
        {"perspective": 0.001},
        {"mosaic": 1.0, "degrees": 30.0, "scale": 0.5, "translate": 0.1},
        {"mosaic": 1.0, "degrees": 10.0, "shear": 5.0, "perspective": 0.0005, "fliplr": 0.5, "flipud": 0.5},
    ],
    ids="-".join,
)
def test_boxes_hold_pixels_that_are_turned(changes):
    """The smallest box around the rotated corners of a rectangle contains its pixels, also at an edge of the image."""
    images, compared = images_of(**changes), 0
    for epoch in range(8):
        for index in range(6):
            for corners, found in labels_and_pixels(images, Draw(epoch, index)):
                assert (corners[:2] <= found[:2] + 1.5).all(), (epoch, index)
                assert (corners[2:] >= found[2:] - 1.5).all(), (epoch, index)
                compared += 1
    assert compared >= 40


def test_a_turned_rectangle_inside_touches_all_sides_of_its_box():
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:60, 30:70] = COLOURS[0]
    sample = LabelledImage(Path("a"), np.zeros(1, np.int32), np.array([[0.5, 0.5, 0.4, 0.2]], np.float32))
    options = replace(PLAIN, degrees=180.0, shear=10.0)
    images = TrainingImages([sample], lambda path: image, options, imgsz=SIDE, epochs=1, seed=0)
    assert sum(check_boxes(images, Draw(0, 0, position), within=2) for position in range(40)) == 40


def test_nothing_changed_is_the_letterbox_in_rgb():
    source = np.random.default_rng(0).integers(0, 256, (SIDE // 2, SIDE, 3), dtype=np.uint8)
    sample = LabelledImage(Path("a"), np.array([3], np.int32), np.array([[0.5, 0.25, 0.5, 0.5]], np.float32))
    images = TrainingImages([sample], lambda path: source, PLAIN, imgsz=SIDE, epochs=1, seed=0)
    image, targets = images[Draw(0, 0)]
    inside = slice(SIDE // 4, SIDE // 4 + SIDE // 2)
    assert (image[:, inside].numpy() == source[..., ::-1].transpose(2, 0, 1)).all()
    assert (image[:, : SIDE // 4] == 114).all()
    assert (image[:, inside.stop :] == 114).all()
    np.testing.assert_allclose(targets.numpy(), [[3, 0.5, 0.375, 0.5, 0.25]], atol=1e-6)
    assert image.is_contiguous()


def test_close_mosaic_and_rectangles_end_mosaics():
    images = images_of(mosaic=1.0, epochs=10, close_mosaic=3)
    assert any(len(images[Draw(6, index)][1]) > 1 for index in range(6))
    for draw in [Draw(epoch, index) for epoch in (7, 9) for index in range(6)]:
        assert images[draw][1][:, 0].tolist() == [draw.index]
    image, targets = images[Draw(0, 2, 0, (96, 64))]
    assert image.shape == (3, 96, 64)
    assert targets[:, 0].tolist() == [2]


def test_mixup_shows_the_boxes_of_two_mosaics():
    plain, mixed = images_of(mosaic=1.0), images_of(mosaic=1.0, mixup=1.0)
    draws = [Draw(0, index) for index in range(6)]
    assert sum(len(mixed[draw][1]) for draw in draws) > 1.5 * sum(len(plain[draw][1]) for draw in draws)
    assert all((mixed[draw][1][: len(plain[draw][1])] == plain[draw][1]).all() for draw in draws)


def test_the_draw_alone_decides():
    samples, read = textures(8)
    first, second = (
        TrainingImages(samples, read, TrainingOptions(mixup=0.5), imgsz=64, epochs=9, seed=5) for _ in range(2)
    )
    draws = [Draw(epoch, index, position) for epoch in (0, 3) for index in range(8) for position in (0, 1)]
    made = {draw: first[draw] for draw in draws}
    for draw in reversed(draws):
        again = second[draw]
        assert (made[draw][0] == again[0]).all()
        assert (made[draw][1] == again[1]).all()
    assert len({image.numpy().tobytes() for image, _ in made.values()}) == len(draws)
    other = TrainingImages(samples, read, TrainingOptions(mixup=0.5), imgsz=64, epochs=9, seed=6)
    assert (other[draws[0]][0] != made[draws[0]][0]).any()


@pytest.mark.parametrize("options", [TrainingOptions(mixup=1.0), TrainingOptions(degrees=9, perspective=1e-3)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (700, 1)])
def test_images_of_a_pixel_and_without_labels(shape, options):
    source = np.full((*shape, 3), 200, np.uint8)
    sample = LabelledImage(Path("a"), np.zeros(0, np.int32), np.zeros((0, 4), np.float32))
    images = TrainingImages([sample], lambda path: source, options, imgsz=64, epochs=2, seed=0)
    for position in range(20):
        image, targets = images[Draw(0, 0, position)]
        assert image.shape == (3, 64, 64)
        assert targets.shape == (0, 5)


def test_what_is_not_seen_is_never_read():
    samples, read = rectangles(40)
    seen = []

    def reading(path):
        seen.append(path)
        return read(path)

    images = TrainingImages(samples, reading, TrainingOptions(), imgsz=64, epochs=1, seed=0)
    for index in range(40):
        images[Draw(0, index)]
    assert 80 < len(seen) < 160


def test_a_mosaic_keeps_the_sample_it_is_of_among_random_ones():
    samples, read = rectangles(50)
    used = []
    images = TrainingImages(samples, lambda path: used.append(path) or read(path), replace(PLAIN, mosaic=1.0),
                                imgsz=64, epochs=1, seed=0)  # fmt: skip
    for index in range(50):
        used.clear()
        images[Draw(0, index)]
        assert Path(f"{index}.png") in used


def test_an_unreadable_image_is_named():
    def unreadable(path):
        raise OSError("the file is empty")

    sample = LabelledImage(Path("some/where.jpg"), np.zeros(0, np.int32), np.zeros((0, 4), np.float32))
    images = TrainingImages([sample], unreadable, PLAIN, imgsz=64, epochs=1, seed=0)
    with pytest.raises(TrainingError, match=r"'some/where.jpg' \(the file is empty\)"):
        images[Draw(0, 0)]


def test_images_in_memory_give_the_same_bytes():
    samples, read = textures(6, sizes=(40, 300))
    direct, cached = (
        TrainingImages(samples, read, TrainingOptions(), imgsz=96, epochs=1, seed=0, cache=cache)
        for cache in ImageCache
    )
    kept = cached.read.images
    assert [image.nbytes for image in kept] == [direct.read(index).nbytes for index in range(6)]
    for index in range(6):
        assert (direct[Draw(0, index)][0] == cached[Draw(0, index)][0]).all()
        assert (direct[Draw(0, index)][1] == cached[Draw(0, index)][1]).all()


def test_images_that_do_not_fit_the_memory_are_refused(monkeypatch):
    samples, read = textures(6)
    monkeypatch.setattr("backends.yolov5.data.reading.available_memory", lambda: 1000)
    with pytest.raises(TrainingError, match=r"cache=ram needs about 0\.0 GiB for 6 images") as caught:
        TrainingImages(samples, read, PLAIN, imgsz=96, epochs=1, seed=0, cache=ImageCache.ram)
    assert "train.cache=none" in caught.value.hint


@pytest.mark.parametrize("local_world_size", [1, 2])
def test_images_that_every_process_keeps_are_counted_for_each(monkeypatch, local_world_size):
    samples, read = textures(6)
    options = {"imgsz": 96, "epochs": 1, "seed": 0, "cache": ImageCache.ram, "local_world_size": local_world_size}
    size = sum(image.nbytes for image in TrainingImages(samples, read, PLAIN, **options).read.images)
    monkeypatch.setattr("backends.yolov5.data.reading.available_memory", lambda: round(2 * size / 0.9))
    if local_world_size == 1:
        TrainingImages(samples, read, PLAIN, **options)
        return
    with pytest.raises(TrainingError, match=r"for 6 images at 96 pixels in each of 2 processes; 0\.0 GiB are"):
        TrainingImages(samples, read, PLAIN, **options)
