from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backends.yolov5.data.sampler import EpochSampler, image_weights, smallest_shapes
from backends.yolov5.data.samples import LabelledImage


def indices(batches):
    return [draw.index for batch in batches for draw in batch]


@pytest.mark.parametrize(("count", "batch"), [(10, 4), (8, 4), (1, 16), (7, 7)])
def test_every_sample_once_an_epoch(count, batch):
    sampler = EpochSampler(count=count, batch=batch, seed=0)
    batches = sampler.batches(3)
    assert sorted(indices(batches)) == list(range(count))
    assert len(batches) == len(sampler)
    assert [len(part) for part in batches[:-1]] == [batch] * (len(sampler) - 1)
    assert max(len(part) for part in batches) == sampler.largest_batch
    assert [draw.position for part in batches for draw in part] == list(range(count))
    assert {draw.epoch for part in batches for draw in part} == {3}


def test_seed_and_epoch_decide_the_order():
    orders = {tuple(indices(EpochSampler(count=50, batch=8, seed=seed).batches(epoch)))
              for seed in (0, 1) for epoch in (0, 1)}  # fmt: skip
    assert len(orders) == 4
    assert tuple(indices(EpochSampler(count=50, batch=8, seed=0).batches(1))) in orders


@pytest.mark.parametrize("rectangular", [False, True])
@pytest.mark.parametrize("count", [16, 13, 2, 1])
def test_processes_share_the_batches_of_one(count, rectangular):
    sizes = [(100 + 7 * number, 100) for number in range(count)]
    shapes = smallest_shapes(sizes, 64, 32) if rectangular else None
    ranks = [EpochSampler(count=count, batch=6, seed=1, rank=rank, world_size=3, shapes=shapes) for rank in range(3)]
    shares = [sampler.batches(2) for sampler in ranks]
    assert len({tuple(len(part) for part in share) for share in shares}) == 1
    together = [draw for share in shares for part in share for draw in part]
    assert sorted({draw.index for draw in together}) == list(range(count))
    assert len(together) == -(-count // 3) * 3
    assert len({draw.position for draw in together}) == len(together)
    if count % 3 == 0 or count == 1:
        return
    alone = EpochSampler(count=count, batch=6, seed=1, shapes=shapes).batches(2)
    if not rectangular:
        for number, whole in enumerate(alone[:-1]):
            assert {draw for share in shares for draw in share[number]} == set(whole)


def test_a_batch_that_cannot_be_divided_is_refused():
    with pytest.raises(ValueError, match="batch of 5 cannot be divided among 2"):
        EpochSampler(count=9, batch=5, seed=0, world_size=2)


def test_weights_decide_how_often():
    weights = np.zeros(100)
    weights[[3, 7]] = [1, 3]
    batches = EpochSampler(count=100, batch=10, seed=0).batches(0, weights)
    drawn = indices(batches)
    assert len(drawn) == 100
    assert set(drawn) == {3, 7}
    assert 60 < drawn.count(7) < 90
    assert len({draw for batch in batches for draw in batch}) == 100


def test_rectangular_batches_have_one_small_shape():
    rng = np.random.default_rng(0)
    sizes = [(int(height), int(width)) for height, width in rng.integers(50, 900, (103, 2))]
    shapes = smallest_shapes(sizes, 320, 32)
    batches = EpochSampler(count=103, batch=8, seed=0, shapes=shapes).batches(0)
    assert sorted(indices(batches)) == list(range(103))
    area = 0
    for batch in batches:
        (shape,) = {draw.shape for draw in batch}
        assert all(side % 32 == 0 for side in shape)
        assert all(shapes[draw.index][0] <= shape[0] and shapes[draw.index][1] <= shape[1] for draw in batch)
        area += shape[0] * shape[1] * len(batch)
    assert area < 0.75 * 103 * 320 * 320
    tall = [batch[0].shape[0] / batch[0].shape[1] for batch in batches]
    assert tall != sorted(tall)


def test_smallest_shapes():
    assert smallest_shapes([(480, 640), (640, 480), (10, 5000), (33, 33)], 640, 32) == {
        0: (480, 640),
        1: (640, 480),
        2: (32, 640),
        3: (640, 640),
    }


def test_images_of_badly_found_rare_classes_weigh_more():
    samples = [
        LabelledImage(Path(str(number)), np.array(classes, np.int32), np.full((len(classes), 4), 0.5, np.float32))
        for number, classes in enumerate([[0], [0, 0], [1], []])
    ]
    weights = image_weights(samples, np.array([0.5, 0.0, 0.3]))
    np.testing.assert_allclose(weights, np.array([0.25 / 3, 0.5 / 3, 1, 0]) / 1.25)
    assert image_weights(samples, np.ones(3)).tolist() == [0.25] * 4
