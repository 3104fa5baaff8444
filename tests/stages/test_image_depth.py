"""``image.depth`` reaches every stage that decodes images, and what it did travels with the results."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np

from core.artifacts import Dataset
from core.data.dataset import load_split
from core.evaluation.images import read_picture
from core.kinds.stage import Stage
from core.media.choices import MAX_PIXELS
from core.options.fields import followed, is_keyed
from stages.dataset import dataset
from stages.dataset.config import DatasetConfig
from tests.support.dataset_tools import write_dataset
from tests.support.runs import plugins
from tests.support.stage_tools import make_context

SIZES_ONLY = {"convert", "frames"}
"""Stages with a limit of pixels that read no pixels of images: sizes, and frames of video."""


def test_every_stage_that_decodes_images_has_the_option_in_its_key() -> None:
    for stage in plugins().registry.all(Stage).values():
        config = stage.signature.config
        found = {item.name: item for item in fields(config)}
        if "max_pixels" in found and stage.name not in SIZES_ONLY:
            assert followed(config, "image_depth") == "image.depth", stage.name
            if stage.name != "build":  # its fingerprint has the option, where it reads images
                assert is_keyed(found["image_depth"]), stage.name


def deep_set(folder: Path) -> Path:
    file = write_dataset(folder / "set", {"train": {name: [(0, 0.5, 0.5, 0.2, 0.2)] for name in "abc"}})
    ramp = np.arange(3072, dtype=np.uint16).reshape(48, 64)
    cv2.imwrite(str(folder / "set/images/train/a.png"), ramp)
    cv2.imwrite(str(folder / "set/images/train/b.png"), ramp // 16)
    cv2.imwrite(str(folder / "set/images/train/c.png"), np.full((48, 64, 4), 100, np.uint8))
    file.write_text(file.read_text().replace(", 'dog'", ""))
    return file


def made(folder: Path, depth: str | float) -> tuple[Dataset, list[str]]:
    context, memory = make_context(folder)
    config = DatasetConfig(str(deep_set(folder)), report=False, max_pixels=MAX_PIXELS, image_depth=depth, imgsz=640)
    return dataset(config, context), memory.warnings


def test_the_data_set_reports_scales_and_alpha_wherever_it_is_used(tmp_path: Path) -> None:
    result, warned = made(tmp_path, "auto")
    assert result.notes == (
        "data set: 1 image has an alpha channel: composited on gray 114",
        (
            "data set: 2 images have more than 8 bits per channel: 255 becomes 255 in 1, 4095 becomes 255 in 1 "
            "(image.depth=auto); image.depth=4095 scales all alike"
        ),
    )
    (line,) = (line for line in warned if "16 bits" in line)
    assert line.startswith("2 deep-image: ")
    assert line.endswith("values 0 to 3071 of 65535; 4095 becomes 255")


def test_the_audit_remembers_the_scale_of_each_option(tmp_path: Path) -> None:
    lines = [made(tmp_path, depth)[0].notes[-1] for depth in ("auto", "full", 4095, "full")]
    assert lines[1] == lines[3]  # from the cache
    assert lines[1].endswith("65535 becomes 255 (image.depth=full); 2 almost black (no value reaches 1/16 of it)")
    assert lines[2].endswith("4095 becomes 255 (image.depth=4095); 1 almost black (no value reaches 1/16 of it)")


def test_all_readers_of_a_stage_see_the_same_pixels(tmp_path: Path) -> None:
    result, _ = made(tmp_path, 4095)
    first, second, _ = (read_picture(sample.image, depth=4095) for sample in load_split(result, "train"))
    assert (first.max(), second.max()) == (191, 12)
