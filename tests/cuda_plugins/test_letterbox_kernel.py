"""letterbox.cu against its twin, bit for bit, and the twin against OpenCV."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import HooklineError
from cuda_plugins.letterbox import LETTERBOX, DeviceImage, LetterboxPlacement, letterbox, letterbox_launches, resize

SIZES = [(1, 1), (1, 7), (9, 1), (2, 2), (3, 500), (400, 2), (47, 63), (64, 64), (90, 121), (200, 333)]


def random_image(height, width, seed=0):
    return np.random.default_rng([seed, height, width]).integers(0, 256, (height, width, 3), np.uint8)


def centred(source_image, height, width):
    ratio = min(height / source_image.shape[0], width / source_image.shape[1])
    rows, columns = (max(1, round(side * ratio)) for side in source_image.shape[:2])
    return LetterboxPlacement(rows, columns, round((height - rows) / 2 - 0.1), round((width - columns) / 2 - 0.1))


def run(device, source_images, places, *, height, width, half=False, padding=0, **options):
    """Launch over images with ``padding`` garbage bytes after each row, into garbage memory."""
    memories, described = [], []
    for source_image in source_images:
        rows, columns = source_image.shape[:2]
        padded = np.full((rows, 3 * columns + padding), 0xCD, np.uint8)
        padded[:, : 3 * columns] = source_image.reshape(rows, -1)
        memories.append(device.put(padded))
        described.append(DeviceImage(device.address(memories[-1]), rows, columns, padded.shape[1]))
    images = device.dirty((len(source_images), 3, height, width), np.float16 if half else np.float32)
    address = device.address(images)
    for launch in letterbox_launches(described, places, address, height=height, width=width, half=half, **options):
        device.run(launch)
    return device.get(images)


def assert_equals_twin(device, source_images, places, **options):
    found = run(device, source_images, places, **options)
    options.pop("padding", None)
    np.testing.assert_array_equal(found, letterbox(source_images, places, **options))


@pytest.mark.parametrize("target", [(1, 1), (5, 3), (64, 96), (31, 200), (96, 130)])
@pytest.mark.parametrize("size", SIZES)
def test_the_twin_resizes_as_opencv_does(size, target):
    source_image = random_image(*size)
    expected = cv2.resize(source_image, target[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resize(source_image, *target), expected)


def test_the_twin_resizes_photographs_as_opencv_does(shared_data: Path):
    for path in sorted((shared_data / "photos").glob("*.jpg")):
        source_image = cv2.imread(str(path))
        for height, width in [(480, 640), (360, 640), (640, 401), (97, 1280)]:
            expected = cv2.resize(source_image, (width, height), interpolation=cv2.INTER_LINEAR)
            np.testing.assert_array_equal(resize(source_image, height, width), expected, err_msg=path.name)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("target", [(64, 96), (96, 64), (32, 160)])
@pytest.mark.parametrize("size", SIZES)
def test_equals_the_twin(device, size, target, half):
    source_image = random_image(*size)
    place = centred(source_image, *target)
    assert_equals_twin(device, [source_image], [place], height=target[0], width=target[1], half=half)


def test_images_of_all_sizes_in_one_batch(device):
    source_images = [random_image(*size) for size in SIZES]
    places = [centred(source_image, 64, 64) for source_image in source_images]
    assert_equals_twin(device, source_images, places, height=64, width=64, padding=5)


@pytest.mark.parametrize("count", [63, 64, 65, 130])
def test_a_batch_larger_than_one_launch(device, count):
    source_images = [random_image(2, 3, seed) for seed in range(count)]
    places = [centred(source_image, 4, 8) for source_image in source_images]
    assert_equals_twin(device, source_images, places, height=4, width=8)


@pytest.mark.parametrize(
    "options",
    [
        {"border": 0},
        {"border": 255},
        {"scale": 1.0},
        {"scale": 0.0173},
        {"swap": False},
        {"scale": 1 / 58.395, "offset": -2.1179},
        {"offset": 1e-8, "scale": 1.0},
    ],
)
@pytest.mark.parametrize("half", [False, True])
def test_every_contract(device, options, half):
    source_image = random_image(40, 30)
    assert_equals_twin(
        device, [source_image], [centred(source_image, 32, 64)], height=32, width=64, half=half, **options
    )


@pytest.mark.parametrize(
    ("scale", "offset"),
    [
        *((scale, 0.0) for scale in (1 / 255, 1.0, 2.0**-24, 3e-7, 1e-4, 257.0, 300.0)),
        *((scale, -128 * scale) for scale in (1 / 255, 2.0**-24, 3e-7, 1e-4, 600.0)),
        (1e-7, -1e-5),
        (0.0173, -70_000.0),
    ],
)
def test_every_value_is_rounded_to_the_nearest_half(device, scale, offset):
    source_image = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    with np.errstate(over="ignore"):
        options = {"height": 16, "width": 16, "half": True, "scale": scale, "offset": offset}
        assert_equals_twin(device, [source_image], [LetterboxPlacement(16, 16, 0, 0)], **options)


@pytest.mark.parametrize(
    "place",
    [
        LetterboxPlacement(10, 12, 0, 0),
        LetterboxPlacement(10, 12, 22, 20),
        LetterboxPlacement(32, 32, 0, 0),
        LetterboxPlacement(1, 1, 31, 31),
    ],
)
def test_anywhere_in_the_input(device, place):
    assert_equals_twin(device, [random_image(25, 30)], [place], height=32, width=32)


def test_the_argument_fits_every_driver():
    assert LETTERBOX.itemsize <= 4096


def test_an_image_of_its_placed_size_is_copied(device):
    source_image = random_image(32, 32)
    found = run(device, [source_image], [LetterboxPlacement(32, 32, 0, 0)], height=32, width=32, scale=1.0)
    np.testing.assert_array_equal(found[0], source_image[:, :, ::-1].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("source_image", "place", "options", "message"),
    [
        (DeviceImage(0, 0, 5, 15), LetterboxPlacement(1, 1, 0, 0), {}, "5x0 pixels"),
        (DeviceImage(0, 5, 5, 15), LetterboxPlacement(0, 1, 0, 0), {}, "resized to 1x0"),
        (DeviceImage(0, 5, 5, 15), LetterboxPlacement(1, 1, 0, 0), {"border": 256}, "border=256"),
        (DeviceImage(0, 5, 5, 15), LetterboxPlacement(1, 1, 0, 0), {"scale": -1.0}, "scale=-1"),
        (DeviceImage(0, 5, 5, 15), LetterboxPlacement(1, 1, 0, 0), {"offset": float("nan")}, "offset=nan"),
    ],
)
def test_what_cannot_be_is_refused(source_image, place, options, message):
    with pytest.raises(HooklineError, match=message):
        letterbox_launches([source_image], [place], 0, height=4, width=4, **options)
