from __future__ import annotations

import numpy as np
import pytest

from core.labels import Labels
from stages.dataset import box_checks
from stages.dataset.box_checks import box_findings, near_identical

NAMES = ("person", "dog")


def labels_of(*rows: tuple[int, float, float, float, float]) -> Labels:
    return Labels(np.array([row[0] for row in rows], np.int32), np.array([row[1:] for row in rows]).reshape(-1, 4))


def kinds(labels: Labels, size: tuple[int, int] = (480, 640), imgsz: tuple[int, int] = (640, 640)) -> dict[str, str]:
    return dict(box_findings(labels, NAMES, size, imgsz))


def test_every_pair_of_a_crowd_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box_checks, "ROWS", 7)
    random = np.random.default_rng(0)
    boxes = random.uniform(0.1, 0.9, (40, 4)) * (1, 1, 0.1, 0.1)
    copies = boxes[::3] * (1, 1, 1.04, 1)
    labels = Labels(np.zeros(len(boxes) + len(copies), np.int32), np.concatenate([boxes, copies]))
    found = near_identical(labels)
    assert [(first, second) for first, second, _ in found] == [(3 * n, 40 + n) for n in range(len(copies))]
    assert all(iou == pytest.approx(1 / 1.04) for _, _, iou in found)
    others = Labels(np.r_[np.zeros(40, np.int32), np.ones(len(copies), np.int32)], labels.boxes)
    assert near_identical(others) == []
    monkeypatch.setattr(box_checks, "MAX_COMPARED", 42)
    assert [second for _, second, _ in near_identical(labels)] == [40, 41]


def test_iou_at_the_limit() -> None:
    for width, count in ((0.2 / 0.9 * 0.999, 1), (0.2 / 0.9 * 1.001, 0)):
        assert len(near_identical(labels_of((0, 0.5, 0.5, 0.2, 0.2), (0, 0.5, 0.5, width, 0.2)))) == count


def test_the_size_of_the_network_decides_what_is_tiny() -> None:
    labels = labels_of((0, 0.5, 0.5, 0.004, 0.004))  # 2.56 x 1.92 pixels
    assert "tiny-object" not in kinds(labels)
    assert kinds(labels, imgsz=(320, 320))["tiny-object"] == "1 box under 2 x 2 pixels at imgsz=320: 1.3 x 1.0"
    assert kinds(labels, imgsz=(320, 640))["tiny-object"] == "1 box under 2 x 2 pixels at imgsz=[320,640]: 1.7 x 1.3"
    assert "tiny-object" in kinds(labels, size=(4800, 6400), imgsz=(320, 320))


def test_a_box_that_covers_the_image() -> None:
    assert "whole-image-box" not in kinds(labels_of((1, 0.5, 0.5, 1, 0.97)))
    text = "2 boxes that cover the image, of class 'dog'"
    assert kinds(labels_of((1, 0.5, 0.5, 1, 0.985), (0, 0.5, 0.5, 1, 1)))["whole-image-box"] == text


def test_no_objects() -> None:
    assert kinds(labels_of()) == {}
