"""What the loop of a training gets: batches that follow from epoch and scores."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from backends.yolov5.config import official
from backends.yolov5.data.batches import TrainingBatches
from backends.yolov5.training.distributed import Distributed
from tests.backends.yolov5.data.data_tools import PLAIN, rectangles
from tests.backends.yolov5.training_tools import hyperparameters as quick

COUNT = 40


def made(*, regions=False, **changes):
    """Forty images, each of a class of its own; with ``regions`` its box is an ignore region, too."""
    samples, read = rectangles(COUNT)
    samples = [replace(sample, regions=sample.boxes) for sample in samples] if regions else samples
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


@pytest.mark.parametrize(
    "options",
    [{}, {"rect": True}, {"fliplr": 0.5, "flipud": 0.5}, {"mosaic": 1.0, "mixup": 0.5, "scale": 0.5, "degrees": 5.0}],
    ids=str,
)
def test_regions_go_with_their_images_beside_the_targets(options):
    kept, regions = 0, 0
    with_regions, without = (made(regions=value, options=replace(PLAIN, **options)) for value in (True, False))
    for batch, plain in zip(with_regions.epoch(0, {}), without.epoch(0, {}), strict=True):
        assert torch.equal(batch.images, plain.images)
        assert torch.equal(batch.targets, plain.targets)
        assert plain.regions.shape == (0, 5)
        rows = set(map(tuple, batch.regions.tolist()))
        assert rows >= set(map(tuple, batch.targets[:, [0, 2, 3, 4, 5]].tolist()))
        kept, regions = kept + len(batch.targets), regions + len(batch.regions)
    assert regions == kept == COUNT or ("mosaic" in options and regions > kept > COUNT)
