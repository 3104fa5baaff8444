from __future__ import annotations

import numpy as np
import pytest

from core.labels import Labels
from stages.dataset.class_checks import class_findings
from stages.dataset.image_cache import ImageFacts
from stages.dataset.split_statistics import SplitStatistics

NAMES = ("person", "dog")
FACTS = ImageFacts(640, 480, 1)


def split_of(*images: list[int]) -> SplitStatistics:
    """Return the statistics of images with objects of these classes."""
    stats = SplitStatistics()
    for classes in images:
        labels = Labels(np.array(classes, np.int32), np.full((len(classes), 4), 0.5))
        stats.add(FACTS, labels, labelled=True)
    return stats


def found(**splits: SplitStatistics) -> dict[str, str]:
    return {finding.kind: finding.message for finding in class_findings(NAMES, splits)}


def test_a_class_with_another_share_of_the_objects() -> None:
    train = split_of(*[[0, 0, 1], [0, 1, 1]] * 20)
    val = split_of(*[[0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0]] * 20)
    assert found(train=train, val=val)["class-skew"] == (
        "class 1 'dog' has 50.0% of the objects in 'train', but 9.1% in 'val'"
    )
    assert "class-skew" in found(train=train, val=split_of(*[[0, 0]] * 20))
    assert "class-skew" not in found(train=train, val=split_of(*[[0, 1], [0, 0, 1]] * 20))


def test_objects_of_few_images_are_no_skew() -> None:
    """40 dogs in 2 of 30 images are one herd, and 9 images are too few."""
    train = split_of(*[[0, 0, 1]] * 30)
    herd = split_of(*[[0, 0, 1]] * 28, *[[1] * 20] * 2)
    assert "class-skew" not in found(train=train, val=herd)
    assert "class-skew" not in found(train=train, val=split_of(*[[1, 1, 1, 1]] * 9))
    assert "class-skew" in found(train=train, val=split_of(*[[1, 1, 1, 1]] * 10))


def test_classes_with_few_objects() -> None:
    assert found(train=split_of(*[[0]] * 30, [1]))["few-objects"] == "class 1 'dog' has only 1 object in 'train'"
    assert found(val=split_of(*[[0]] * 30, [1]))["few-objects"] == "class 1 'dog' has only 1 object in all splits"
    assert "few-objects" not in found(train=split_of(*[[0]] * 5, [1]))  # few of all
    assert "few-objects" not in found(train=split_of(*[[0]] * 30, *[[1]] * 10))


@pytest.mark.parametrize("split", ["train", "val"])
def test_no_objects_at_all_is_reported_elsewhere(split: str) -> None:
    assert found(**{split: split_of([], [])}) == {}


def test_classes_without_objects_in_training() -> None:
    assert found(train=split_of([0]), val=split_of([1], [1]), test=split_of([1])) == {
        "untrained-class": "class 1 'dog' has no objects in 'train', but 2 in 'val', 1 in 'test'"
    }
    assert found(train=split_of([0]), val=split_of([0])) == {
        "unseen-class": "class 1 'dog' has no objects in any split"
    }
