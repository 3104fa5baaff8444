"""nms.cu against its twin, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.errors import HooklineError
from cuda_plugins.nms import DETECTION, NMS, CandidateArrays, ImageTransform, Suppression, nms, nms_launches
from tests.cuda_plugins import cpu
from tests.cuda_plugins.devices import Cpu

ORIGIN = ImageTransform(ratio=0.37, left=3, top=20, width=500, height=400)
WANTED = Suppression(conf=0.25, iou=0.45)
PORTION = 4096


def random_rows(rows, *, batch=1, classes=3, spread=150.0, seed=0, equal=0):
    """Return heavily overlapping boxes; ``equal`` > 0 is the number of different scores."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-20, spread, (batch, rows, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 60, (batch, rows, 2))], 2).astype(np.float32)
    scores = rng.random((batch, rows), np.float32)
    if equal:
        scores = (np.floor(scores * equal) + 1).astype(np.float32) / np.float32(equal)
    return boxes, scores, rng.integers(0, classes, (batch, rows), np.int32)


def run(device, rows, origins, wanted, threads=256):
    """Launch into garbage memory."""
    memories = [device.put(values) for values in rows]
    candidates = CandidateArrays(*map(device.address, memories), rows=rows[1].shape[1])
    counts = device.dirty((len(origins),), np.int32)
    found = device.dirty((len(origins), wanted.max_det, DETECTION.itemsize), np.uint8)
    for launch in nms_launches(candidates, origins, device.address(counts), device.address(found), wanted):
        device.run(replace(launch, block=(threads, 1, 1)))
    return device.get(counts), device.get(found).view(DETECTION)[..., 0]


def assert_equals_twin(device, rows, wanted=WANTED, origins=None, **options):
    origins = origins or [ORIGIN] * len(rows[1])
    counts, found = run(device, rows, origins, wanted, **options)
    expected_counts, expected = nms(*rows, origins, wanted)
    np.testing.assert_array_equal(counts, expected_counts)
    for name in expected.dtype.names:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    return counts


@pytest.mark.parametrize("conf", [0.001, 0.25, 0.9])
@pytest.mark.parametrize("count", [0, 1, 2, 31, 63, 64, 65, 127, 129, 255, 256, 1000])
def test_equals_the_twin(device, count, conf):
    assert_equals_twin(device, random_rows(count, batch=2), replace(WANTED, conf=conf))


@pytest.mark.parametrize("iou", [0.0, 0.1, 0.7, 1.0])
@pytest.mark.parametrize("classes", [1, 80])
def test_every_overlap(device, classes, iou):
    assert_equals_twin(device, random_rows(400, classes=classes), replace(WANTED, iou=iou))


@pytest.mark.parametrize("max_det", [1, 2, 63, 64, 65, 300, 1000])
def test_more_boxes_than_wanted(device, max_det):
    counts = assert_equals_twin(device, random_rows(1000, spread=9000), replace(WANTED, max_det=max_det))
    assert (counts[0] == max_det) == (max_det < 1000)


@pytest.mark.parametrize("equal", [1, 2, 7])
@pytest.mark.parametrize("rows", [100, 5000])
def test_equal_scores_are_taken_by_row(device, rows, equal):
    assert_equals_twin(device, random_rows(rows, equal=equal), threads=1024)


@pytest.mark.parametrize("rows", [PORTION - 1, PORTION, PORTION + 1, 9000])
@pytest.mark.parametrize("max_det", [100, 3000])
def test_more_candidates_than_one_portion(device, rows, max_det):
    wanted = replace(WANTED, conf=0.0, iou=0.9, max_det=max_det)
    assert_equals_twin(device, random_rows(rows, spread=2000), wanted, threads=1024)


@pytest.mark.parametrize("limit", [1, 3, 64, 1000, PORTION, PORTION + 1, 5999, 6000, 7000])
@pytest.mark.parametrize("equal", [0, 2])
def test_only_the_best_candidates_enter(device, limit, equal):
    wanted = replace(WANTED, conf=0.0, iou=0.5, max_candidates=limit, max_det=6000)
    counts = assert_equals_twin(device, random_rows(6000, spread=20_000, equal=equal), wanted, threads=1024)
    assert counts[0] <= limit


def test_portions_of_scores_that_differ_in_their_last_bit(device):
    boxes, scores, classes = random_rows(6000, spread=20_000)
    scores[:] = (0x3F000000 + np.random.default_rng(0).integers(0, 5, scores.shape)).astype(np.int32).view(np.float32)
    assert_equals_twin(device, (boxes, scores, classes), threads=1024)


@pytest.mark.parametrize("threads", [64, 128, 640, 1024])
def test_the_result_does_not_depend_on_the_launch(device, threads):
    assert_equals_twin(device, random_rows(700, equal=20), threads=threads)


@pytest.mark.parametrize("rows", [70, 200, 5000])
def test_no_warp_relies_on_another_being_ahead(rows):
    """Let the last warp run ahead of the others; in all other tests the first warp runs ahead."""
    cpu.library("nms", "nms").shim_backwards(1)
    try:
        assert_equals_twin(Cpu(), random_rows(rows, batch=2, equal=50), replace(WANTED, conf=0.001), threads=1024)
    finally:
        cpu.library("nms", "nms").shim_backwards(0)


@pytest.mark.parametrize("classes", [(0,), (1, 2), (31, 32, 63, 64), (79,), (2047,), tuple(range(2048))])
def test_only_classes_that_are_asked_for(device, classes):
    rows = random_rows(500, classes=80)
    rows[2][0, ::7] = 2047
    rows[2][0, ::31] = (-1, 2048, 5000) * 5 + (-1, 2048)
    assert_equals_twin(device, rows, replace(WANTED, classes=classes))


def test_rows_without_a_score_are_no_candidates_wherever_they_stand(device):
    boxes, scores, classes = random_rows(300, batch=2)
    scores[0, ::2], scores[1, :200], scores[1, 250:] = 0, 0, -1
    scores[0, 1::8] = np.nan
    counts = assert_equals_twin(device, (boxes, scores, classes), replace(WANTED, conf=0.0))
    assert (counts > 0).all()


def test_the_threshold_itself_is_kept(device):
    boxes, scores, classes = random_rows(10, spread=9000)
    scores[:] = np.float32(0.3)
    assert assert_equals_twin(device, (boxes, scores, classes), replace(WANTED, conf=0.3))[0] == 10
    above = float(np.nextafter(np.float32(0.3), np.float32(1)))
    assert assert_equals_twin(device, (boxes, scores, classes), replace(WANTED, conf=above))[0] == 0


def test_the_overlap_itself_is_kept(device):
    """Return two boxes with an IoU of exactly one half."""
    boxes = np.asarray([[[0, 0, 2, 2], [0, 0, 2, 1]]], np.float32)
    scores, classes = np.asarray([[0.9, 0.8]], np.float32), np.zeros((1, 2), np.int32)
    assert assert_equals_twin(device, (boxes, scores, classes), replace(WANTED, iou=0.5))[0] == 2
    assert assert_equals_twin(device, (boxes, scores, classes), replace(WANTED, iou=0.4999))[0] == 1


def test_boxes_without_an_area_and_with_coordinates_that_are_no_numbers(device):
    boxes, scores, classes = random_rows(200, spread=30)
    boxes[0, ::3, 2:] = boxes[0, ::3, :2]
    boxes[0, 1::17, 1] = np.nan
    boxes[0, 2::17, 2] = np.inf
    with np.errstate(invalid="ignore"):
        assert_equals_twin(device, (boxes, scores, classes))


def test_each_picture_goes_back_to_its_own_pixels(device):
    rows = random_rows(100, batch=3)
    origins = [ORIGIN, ImageTransform(1.7, 0, 11, 40, 300), ImageTransform(0.001, 8, 0, 1e5, 1e5)]
    assert_equals_twin(device, rows, origins=origins)


@pytest.mark.parametrize("batch", [64, 65, 130])
def test_a_batch_of_more_pictures_than_one_launch_holds(device, batch):
    origins = [replace(ORIGIN, left=number) for number in range(batch)]
    assert_equals_twin(device, random_rows(20, batch=batch), replace(WANTED, max_det=5), origins, threads=64)


def test_the_argument_fits_every_driver():
    assert NMS.itemsize <= 4096


def test_two_runs_are_equal_to_the_last_bit(device):
    rows = random_rows(5000, equal=50)
    one, other = (run(device, rows, [ORIGIN], WANTED, threads=1024) for _ in range(2))
    assert [values.tobytes() for values in one] == [values.tobytes() for values in other]


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (1 << 29, {}, "536870912 boxes"),
        (5, {"max_det": 0}, "max_det=0"),
        (5, {"max_candidates": 0}, "max_candidates=0"),
        (5, {"classes": (3, 2048)}, "class 2048"),
        (5, {"classes": (-1,)}, "class -1"),
    ],
)
def test_what_the_kernel_does_not_hold_is_refused(rows, changes, message):
    with pytest.raises(HooklineError, match=message):
        nms_launches(CandidateArrays(0, 0, 0, rows), [ORIGIN], 0, 0, replace(WANTED, **changes))
