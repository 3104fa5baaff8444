"""What the loop of a training gets: batches that follow from epoch and scores."""

from __future__ import annotations

import pytest
import torch

from backends.yolov5.config import official
from backends.yolov5.data.batches import TrainingBatches
from backends.yolov5.training.distributed import Distributed
from tests.backends.yolov5.data.data_tools import PLAIN, rectangles
from tests.backends.yolov5.training_tools import hyperparameters as quick

COUNT = 40


def made(**changes):
    """Forty images, each of a class of its own."""
    samples, read = rectangles(COUNT)
    hyperparameters = quick(**{"batch": 8, "workers": 0, "options": PLAIN, **changes})
    here = Distributed(0, 1, torch.device("cpu"))
    sizes = [read(sample.path).shape[:2] for sample in samples]
    return TrainingBatches(samples, sizes, read, hyperparameters, official("yolov5n", COUNT), here)


def shown(batches, epoch, class_scores=None):
    """Numbers of the images of an epoch, in order."""
    return [int(path.stem) for batch in batches.epoch(epoch, class_scores or {}) for path in batch.paths]


def test_an_epoch_shows_every_image_in_an_order_of_its_own():
    batches = made()
    first, second = shown(batches, 0), shown(batches, 1)
    assert sorted(first) == sorted(second) == list(range(COUNT))
    assert first != second
    assert shown(batches, 0) == first


@pytest.mark.parametrize("image_weights", [True, False])
def test_classes_that_are_found_well_are_shown_less_where_images_are_weighed(image_weights):
    batches = made(image_weights=image_weights)
    scores = {index: 1.0 if index < COUNT // 2 else 0.0 for index in range(COUNT)}
    well = sum(number < COUNT // 2 for number in shown(batches, 0, scores))
    assert well == (0 if image_weights else COUNT // 2)
