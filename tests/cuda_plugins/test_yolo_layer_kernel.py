"""yolo_layer.cu against its twin, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.errors import HooklineError
from cuda_plugins.signature import BOXES, CLASSES, NUM, SCORES
from cuda_plugins.yolo_layer import Decoded, LevelInput, cells, set_addresses, yolo_layer, yolo_layer_launch
from tests.cuda_plugins import cpu
from tests.cuda_plugins.devices import Cpu

ANCHORS = {3: [10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326]}
ANCHORS[4] = [*ANCHORS[3], 436, 615, 739, 380, 925, 792]


def random_heads(levels=3, *, classes=5, batch=2, height=2, width=3):
    rng = np.random.default_rng(0)
    sizes = [(height << level, width << level) for level in reversed(range(levels))]
    return [rng.random((batch, 3 * (5 + classes), *size), dtype=np.float32) for size in sizes]


def decode(device, heads, threshold, *, classes=5, max_stride=32, parts=None, threads=None):
    """Run the kernel into garbage memory."""
    batch = len(heads[0])
    inputs = [device.put(head) for head in heads]
    shapes = [LevelInput(device.address(memory), *head.shape[2:]) for memory, head in zip(inputs, heads, strict=True)]
    rows = cells(shapes, 3)
    outputs = {
        NUM: device.dirty((batch, 1), np.int32),
        BOXES: device.dirty((batch, rows, 4), np.float32),
        SCORES: device.dirty((batch, rows), np.float32),
        CLASSES: device.dirty((batch, rows), np.int32),
    }
    launch = yolo_layer_launch(
        shapes,
        Decoded(*(device.address(memory) for memory in outputs.values())),
        batch=batch,
        max_stride=max_stride,
        num_classes=classes,
        anchors=ANCHORS[len(heads)],
        threshold=threshold,
        half=heads[0].dtype == np.float16,
    )
    launch = replace(launch, grid=(parts or launch.grid[0], *launch.grid[1:]))
    device.run(replace(launch, block=(threads, 1, 1)) if threads else launch)
    return {name: device.get(memory) for name, memory in outputs.items()}


def assert_equals_twin(found, heads, threshold, *, classes=5, max_stride=32):
    expected = yolo_layer(
        [head.astype(np.float32) for head in heads],
        max_stride=max_stride,
        num_classes=classes,
        anchors=ANCHORS[len(heads)],
        threshold=threshold,
    )
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("levels", [3, 4])
@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.97, 1.5])
def test_equals_the_twin(device, dtype, levels, batch, threshold):
    heads = [head.astype(dtype) for head in random_heads(levels, batch=batch)]
    stride = 32 if levels == 3 else 64
    assert_equals_twin(decode(device, heads, threshold, max_stride=stride), heads, threshold, max_stride=stride)


@pytest.mark.parametrize("classes", [1, 2, 31, 32, 33, 80, 365])
@pytest.mark.parametrize("threshold", [0.2, 0.98])
def test_any_number_of_classes(device, classes, threshold):
    heads = random_heads(classes=classes, batch=2)
    assert_equals_twin(decode(device, heads, threshold, classes=classes), heads, threshold, classes=classes)


@pytest.mark.parametrize("parts", [1, 2, 7, 32, 300])
@pytest.mark.parametrize("threads", [32, 96, 512])
def test_the_result_does_not_depend_on_the_launch(device, parts, threads):
    heads = random_heads(batch=2, height=3, width=5)
    assert_equals_twin(decode(device, heads, 0.6, parts=parts, threads=threads), heads, 0.6)


@pytest.fixture
def last_warp_first():
    kernel = cpu.library("yolo_layer", "yolo_layer_float")
    kernel.shim_backwards(1)
    yield
    kernel.shim_backwards(0)


def test_no_warp_waits_too_little(last_warp_first):
    heads = random_heads(batch=2, height=6, width=5)
    for parts, threads in ((1, 128), (3, 512), (40, 64)):
        found = decode(Cpu(), heads, 0.6, parts=parts, threads=threads)
        assert_equals_twin(found, heads, 0.6)


def test_a_real_network_input_of_several_parts(device):
    heads = random_heads(classes=3, batch=1, height=12, width=20)
    assert_equals_twin(decode(device, heads, 0.9, classes=3), heads, 0.9, classes=3)


def test_strides_differ_where_grids_do_not_halve(device):
    rng = np.random.default_rng(1)
    heads = [rng.random((2, 30, *size), dtype=np.float32) for size in [(5, 13), (3, 7), (2, 3)]]
    assert_equals_twin(decode(device, heads, 0.5), heads, 0.5)


def test_nothing_is_kept(device):
    heads = [np.zeros_like(head) for head in random_heads()]
    assert not any(values.any() for values in decode(device, heads, 0.25).values())


def test_the_threshold_itself_is_kept(device):
    heads = [np.full_like(head, 0.25) for head in random_heads()]
    found = decode(device, heads, 0.25)
    assert (found[NUM] == found[SCORES].shape[1]).all()
    assert not found[CLASSES].any()
    assert_equals_twin(found, heads, 0.25)
    assert not decode(device, heads, float(np.nextafter(np.float32(0.25), np.float32(1))))[NUM].any()


@pytest.mark.parametrize("few", [True, False])
def test_the_first_of_equal_classes_wins(device, few):
    heads = [np.round(head * 4) / 4 for head in random_heads(classes=70, batch=1)]
    if few:
        for head in heads:
            head.reshape(3, 75, -1)[:, 4, 3:] = 0
    assert_equals_twin(decode(device, heads, 0.5, classes=70), heads, 0.5, classes=70)


def test_every_half_is_widened_exactly(device):
    """All 31,744 finite non-negative halves as x of the centre, in a network of one level."""
    heads = random_heads(classes=1, batch=1, height=32, width=64)
    heads = [head.astype(np.float16) for head in heads]
    plane = heads[0].reshape(3, 6, -1)
    plane[:, 4] = 1
    bits = np.arange(3 * plane.shape[2], dtype=np.uint32) % 0x7C00
    plane[:, 0] = bits.astype(np.uint16).view(np.float16).reshape(3, -1)
    assert_equals_twin(decode(device, heads, 0.25, classes=1), heads, 0.25, classes=1)


def test_two_runs_are_equal_to_the_last_bit(device):
    heads = random_heads(batch=3)
    one, other = decode(device, heads, 0.5), decode(device, heads, 0.5)
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


@pytest.mark.parametrize(
    ("levels", "anchors", "message"),
    [
        (5, 30, "decode 5 heads"),
        (0, 18, "decode 0 heads"),
        (3, 17, "anchors has 17 values"),
        (3, 0, "anchors has 0 values"),
        (3, 54, "9 anchors per level"),
    ],
)
def test_what_the_kernel_does_not_hold_is_refused(levels, anchors, message):
    with pytest.raises(HooklineError, match=message):
        launch_of([LevelInput(0, 2, 2)] * levels, anchors=[1.0] * anchors)


def launch_of(heads, **options):
    defaults = {"batch": 1, "max_stride": 8, "num_classes": 1, "anchors": [1.0] * 6, "threshold": 0.25}
    return yolo_layer_launch(heads, Decoded(0, 0, 0, 0), **(defaults | options))


def test_boxes_that_are_not_aligned_are_refused():
    with pytest.raises(HooklineError, match=r"0x108 of the boxes is not aligned; .*16 bytes"):
        set_addresses(launch_of([LevelInput(0, 2, 2)]), [0], Decoded(0, 0x108, 0, 0))


@pytest.mark.parametrize(
    ("size", "batch", "parts"), [((2, 2), 1, 1), ((80, 80), 1, 19), ((80, 80), 32, 17), ((80, 80), 600, 1)]
)
def test_parts_fill_the_gpu_and_no_more(size, batch, parts):
    assert launch_of([LevelInput(0, *size)], batch=batch).grid == (parts, batch, 1)
