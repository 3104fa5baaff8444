"""One data set with a fault of each kind that people plant to try an audit, among good images."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import HooklineError
from core.media.choices import MAX_PIXELS
from stages.dataset import dataset
from stages.dataset.config import DatasetConfig
from stages.dataset.findings import KINDS, Severity
from tests.support.dataset_tools import Row, write_dataset
from tests.support.media_tools import oriented_jpeg
from tests.support.stage_tools import make_context

NAMES = ("person", "dog", "cat", "bird", "cow", "unicorn")
PERSON, SECOND = (0, 0.3, 0.3, 0.2, 0.3), (0, 0.7, 0.6, 0.2, 0.3)
DOG, CAT, KITTEN = (1, 0.7, 0.3, 0.2, 0.2), (2, 0.4, 0.7, 0.3, 0.2), (2, 0.2, 0.8, 0.1, 0.1)
PLANTED = {
    "unreadable": "unreadable-picture",
    "empty file": "unreadable-picture",
    "truncated": "truncated-picture",
    "wrong suffix": "wrong-suffix-image",
    "EXIF-rotated": "turned-picture",
    "tiny image": "tiny-picture",
    "grayscale": "odd-channels-image",
    "duplicate in a split": "repeated-picture",
    "duplicate across splits": "leaked-picture",
    "encoded again across splits": "near-leaked-image",
    "malformed row": "malformed-row",
    "label that is no text": "unreadable-label",
    "class out of range": "class-out-of-range",
    "pixels as coordinates": "box-outside",
    "zero area": "empty-box",
    "duplicate rows": "repeated-row",
    "near-identical boxes": "near-identical-box",
    "box past the edge": "box-beyond",
    "whole image": "whole-image-box",
    "tiny object": "tiny-object",
    "label without image": "stray-label",
    "image without label": "no-label",
    "class in val only": "untrained-class",
    "class nowhere": "unseen-class",
    "few objects": "few-objects",
    "skew": "class-skew",
}


def good_rows(split: str, number: int) -> list[Row]:
    """Rows of a good image: cats are frequent and dogs are rare in val, which is the skew."""
    rare = split == "val" and number % 5
    return [PERSON, SECOND, CAT if rare else DOG, *([KITTEN] if number % 2 else [])]


def plant(folder: Path) -> Path:
    """Write the data set and return its data.yaml."""
    rows = {split: {f"{number:03}": good_rows(split, number) for number in range(40)} for split in ("train", "val")}
    file = write_dataset(folder, rows, NAMES)
    images, labels = folder / "images", folder / "labels"

    def image(name: str) -> Path:
        return images / "train" / f"{name}.png"

    def write(name: str, text: str, split: str = "train") -> None:
        (labels / split / f"{name}.txt").write_text(text)

    image("000").write_bytes(b"no image")
    image("001").write_bytes(b"")
    image("002").write_bytes(image("002").read_bytes()[:3000])
    jpeg = cv2.imencode(".jpg", cv2.imread(str(image("003"))))[1].tobytes()
    image("003").write_bytes(jpeg)
    image("004").unlink()
    turned = cv2.imencode(".jpg", np.full((60, 80, 3), 90, np.uint8))[1].tobytes()
    image("004").with_suffix(".jpg").write_bytes(oriented_jpeg(turned, 6))
    cv2.imwrite(str(image("005")), np.full((8, 60, 3), 90, np.uint8))
    cv2.imwrite(str(image("006")), cv2.imread(str(image("006")), cv2.IMREAD_GRAYSCALE))
    image("008").write_bytes(image("007").read_bytes())
    (images / "val" / "009.png").write_bytes(image("009").read_bytes())
    again = cv2.resize(cv2.imread(str(image("010"))), (48, 36), interpolation=cv2.INTER_AREA)
    (images / "val" / "010.png").unlink()
    cv2.imwrite(str(images / "val" / "010.jpg"), again, (cv2.IMWRITE_JPEG_QUALITY, 75))
    write("011", "0 .5 .5\n")
    (labels / "train" / "012.txt").write_bytes(b"\xff\xfe\x00")
    write("013", "77 .5 .5 .2 .2\n")
    write("014", "0 320 240 64 48\n")
    write("015", "0 .5 .5 0 .2\n")
    write("016", "0 .5 .5 .2 .2\n0 .5 .5 .2 .2\n")
    write("017", "0 .5 .5 .4 .4\n0 .505 .5 .4 .4\n")
    write("018", "0 .9 .5 .3 .2\n")
    write("019", "0 .5 .5 1 1\n")
    write("020", "0 .5 .5 .002 .003\n")
    write("zzz", "0 .5 .5 .2 .2\n")
    (labels / "train" / "021.txt").unlink()
    write("022", "4 .5 .5 .2 .2\n")
    write("023", "3 .5 .5 .2 .2\n", "val")
    return file


def test_every_planted_fault_is_found_and_every_kind_is_printed(tmp_path: Path) -> None:
    file = plant(tmp_path / "set")
    context, memory = make_context(tmp_path)
    with pytest.raises(HooklineError, match=r"\(the first of 8 errors: 2 unreadable-picture, 1 truncated-picture, "):
        dataset(DatasetConfig(str(file), report=False, max_pixels=MAX_PIXELS, imgsz=640), context)
    counts = json.loads((context.run_dir / "dataset" / "report.json").read_text())["counts"]
    found = {kind: count for kind, count in counts.items() if kind in KINDS}
    assert set(PLANTED.values()) - set(found) == set()
    extra = set(found) - set(PLANTED.values())
    assert extra == set(), extra
    assert found == dict.fromkeys(PLANTED.values(), 1) | {"unreadable-picture": 2, "class-skew": 2}
    lines = [*memory.notes, *memory.warnings]
    assert {line.split(":")[0] for line in lines} == {f"{count} {kind}" for kind, count in found.items()}
    assert len(lines) == len(found)
    assert memory.warnings == [line for line in lines if KINDS[line.split()[1][:-1]][0] is Severity.warning]
