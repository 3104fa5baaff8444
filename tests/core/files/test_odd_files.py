"""A data set with FIFOs, devices and broken links: no read blocks, and messages name the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.data.data_yaml import read_data_yaml
from core.data.dataset import content_digest, list_samples
from core.errors import HooklineError
from core.labels import load_labels
from core.media.choices import OnError
from core.media.reader import read_frames
from core.media.source import list_source
from core.media.tolerance import Tolerance
from tests.support.dataset_tools import write_picture

pytestmark = pytest.mark.timeout(20)
UNREADABLE = ("dangling.png", "fifo.png", "loop.png", "zero.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    images, labels = tmp_path / "images", tmp_path / "labels"
    labels.mkdir()
    content = write_picture(images / "good.png", (64, 48)).read_bytes()
    for name in (os.fsdecode(b"caf\xe9.png"), "n" * 251 + ".png"):
        (images / name).write_bytes(content)
    os.mkfifo(images / "fifo.png")
    for name, target in (("dangling.png", "no"), ("loop.png", "loop.png"), ("zero.png", "/dev/zero"), ("up", "..")):
        (images / name).symlink_to(target)
    os.mkfifo(labels / "good.txt")
    (labels / ("n" * 251 + ".txt")).symlink_to("no")
    (tmp_path / "data.yaml").write_text("val: images\nnames: [a]\n", encoding="utf-8")
    return tmp_path


def test_images_are_listed_digested_and_named(root: Path) -> None:
    spec = read_data_yaml(root / "data.yaml")
    samples = list_samples(spec, "val")
    assert len(samples) == 7
    assert len(content_digest(spec.names, {"val": samples})) == 64
    source = list_source(str(root / "images"))
    assert len(source.digest()) == 64
    tolerance = Tolerance(len(source.files), lambda _: None, OnError.skip)
    assert len(list(read_frames(source, tolerance))) == 3
    assert sorted(item.name for item in tolerance.unreadable) == list(UNREADABLE)


def test_an_unreadable_label_file_is_not_a_background_image(root: Path) -> None:
    spec = read_data_yaml(root / "data.yaml")
    refused = []
    for sample in list_samples(spec, "val"):
        try:
            load_labels(sample, spec.names)
        except HooklineError as error:
            refused.append(str(error))
    assert len(refused) == 2
    assert all("cannot read the labels" in line for line in refused)
