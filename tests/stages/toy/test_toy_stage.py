from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.data.data_yaml import read_data_yaml
from core.data.dataset import list_samples, load_split
from core.labels import load_labels
from stages.toy import toy
from stages.toy.config import SHAPES, ToyConfig
from stages.toy.generating import MIN_VISIBLE, draw
from stages.toy.shapes import shape_mask
from tests.support.stage_tools import make_context

SMALL = ToyConfig(train=6, val=3, imgsz=96)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_gives_a_data_set_that_can_be_moved(tmp_path: Path) -> None:
    context, memory = make_context(tmp_path)
    made = toy(SMALL, context)
    assert made.names == ("circle", "square", "triangle")
    assert made.splits == {"train": 6, "val": 3}
    assert memory.steps == 9
    moved = context.workdir.rename(tmp_path / "moved")
    assert not any(str(tmp_path).encode() in content for content in files_of(moved).values())
    spec = read_data_yaml(moved / "data.yaml")
    assert spec.names == made.names
    for split, count in made.splits.items():
        samples = list_samples(spec, split)
        assert len(samples) == count
        for sample in samples:
            assert cv2.imread(str(sample.image)).shape == (96, 96, 3)
            assert sample.label is not None
            load_labels(sample, spec.names)


def test_listing_and_data_yaml_name_the_same_images(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path)
    made = toy(SMALL, context)
    spec = read_data_yaml(context.workdir / "data.yaml")
    for split in made.splits:
        assert load_split(made, split) == list(list_samples(spec, split))


def test_the_seed_decides_and_more_images_leave_the_first_as_they_are(tmp_path: Path) -> None:
    contents = []
    for name, train in (("one", 6), ("again", 6), ("more", 8)):
        context, _ = make_context(tmp_path / name)
        toy(ToyConfig(train=train, val=3, imgsz=96), context)
        contents.append(files_of(context.workdir))
    one, again, more = contents
    assert one == again
    pictures = {name for name in one if name.startswith(("images", "labels"))}
    assert all(one[name] == more[name] for name in pictures)
    assert one["images/train/000000.jpg"] != one["images/val/000000.jpg"]


def test_boxes_touch_the_pixels_that_can_be_seen() -> None:
    seen = 0
    for seed in range(30):
        drawing = draw(np.random.default_rng(seed), 128, SHAPES, 6)
        for number, (left, top, right, bottom) in enumerate(drawing.boxes):
            mask = drawing.owner == number
            inside = mask[top:bottom, left:right]
            assert mask.sum() == inside.sum()
            for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
                assert edge.any()
            seen += 1
    assert seen > 60


def test_shapes_stand_out_and_only_they_do() -> None:
    """The owner map matches the pixels: a flat colour inside, another one around it."""
    drawing = next(
        drawing
        for seed in range(50)
        if len((drawing := draw(np.random.default_rng(seed), 128, ("circle",), 1)).boxes) == 1
    )
    left, top, right, bottom = drawing.boxes[0]
    inside = drawing.image[drawing.owner == 0].astype(float)
    core = drawing.image[(top + bottom) // 2, (left + right) // 2].astype(float)
    assert np.quantile(np.abs(inside - core).max(axis=1), 0.9) <= 1
    ring = drawing.image[drawing.owner == -1].astype(float)
    assert np.quantile(np.linalg.norm(ring - core, axis=1), 0.2) > 30


def test_objects_overlap_but_stay_visible() -> None:
    overlaps = 0
    for seed in range(40):
        drawing = draw(np.random.default_rng(seed), 128, ("circle",), 6)
        for number, (left, top, right, bottom) in enumerate(drawing.boxes):
            crop = drawing.owner[top:bottom, left:right]
            overlaps += bool(((crop != number) & (crop >= 0)).any())
            full = np.pi / 4 * max(right - left, bottom - top) ** 2
            assert (crop == number).sum() > (MIN_VISIBLE - 0.1) * full * 0.95
    assert overlaps > 10


def test_some_images_have_no_objects() -> None:
    empty = sum(not len(draw(np.random.default_rng(seed), 64, SHAPES, 3).boxes) for seed in range(200))
    assert 2 <= empty <= 25


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("circle", np.pi / 4),
        ("ring", np.pi / 4 * (1 - 0.55**2)),
        ("square", 0.5),
        ("triangle", 3 * np.sqrt(3) / 16),
    ],
)
def test_areas_of_the_shapes(name: str, share: float) -> None:
    for turn in (0.0, 1.0):
        mask = shape_mask(name, 100.0, turn)
        assert mask.min() == 0
        assert mask.max() == 1
        assert mask.sum() == pytest.approx(share * 100.0**2, rel=0.015)  # OpenCV fills the edge of a polygon too


def test_all_shapes_differ() -> None:
    masks = [shape_mask(name, 40.0, 0.0) for name in SHAPES]
    for index, one in enumerate(masks):
        for other in masks[:index]:
            assert np.abs(one - other).mean() > 0.05
