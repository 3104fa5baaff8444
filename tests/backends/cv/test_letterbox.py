from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from backends.cv.letterbox import letterbox, placement
from core.errors import HooklineError
from core.model_facts import InputContract
from tests.support.media_tools import make_picture

CONTRACT = InputContract(batch=1, height=96, width=160)


def plain(picture: np.ndarray, contract: InputContract, upscale: bool = True) -> np.ndarray:
    """The formula of docs/contracts.md, implemented without regard to speed."""
    height, width = picture.shape[:2]
    ratio = min(contract.height / height, contract.width / width)
    if not upscale:
        ratio = min(ratio, 1.0)
    new_width, new_height = max(1, round(width * ratio)), max(1, round(height * ratio))
    resized = cv2.resize(picture, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    canvas = np.full((contract.height, contract.width, 3), contract.pad_value, np.uint8)
    top, left = round((contract.height - new_height) / 2 - 0.1), round((contract.width - new_width) / 2 - 0.1)
    canvas[top : top + new_height, left : left + new_width] = resized
    return canvas[:, :, ::-1].transpose(2, 0, 1).astype(np.float32) / np.float32(255)


@pytest.mark.parametrize(
    "size", [(96, 160), (48, 80), (97, 161), (33, 57), (300, 40), (1, 1), (1, 3000), (3000, 1), (7, 1), (200, 333)]
)
@pytest.mark.parametrize("upscale", [True, False])
def test_equals_the_formula_bit_for_bit(size: tuple[int, int], upscale: bool) -> None:
    picture = make_picture(*size)
    images, _ = letterbox([picture], CONTRACT, upscale=upscale)
    assert (images.dtype, images.shape) == (np.float32, (1, 3, 96, 160))
    np.testing.assert_array_equal(images[0], plain(picture, CONTRACT, upscale))


def test_sizes_may_differ_within_a_batch() -> None:
    pictures = [make_picture(48, 80), make_picture(100, 31, seed=1)]
    images, placed = letterbox(pictures, CONTRACT)
    for image, picture in zip(images, pictures, strict=True):
        np.testing.assert_array_equal(image, plain(picture, CONTRACT))
    assert [(place.height, place.width) for place in placed] == [(48, 80), (100, 31)]


def test_border_channels_and_factor_come_from_the_contract() -> None:
    contract = replace(CONTRACT, pad_value=7, channels="bgr", scale=0.5)
    picture = make_picture(96, 100)
    images, (place,) = letterbox([picture], contract)
    inside = images[0, :, :, place.left : place.left + 100]
    np.testing.assert_array_equal(inside, picture.transpose(2, 0, 1) * np.float32(0.5))
    assert (images[0, :, :, : place.left] == 3.5).all()
    assert (images[0, :, :, place.left + 100 :] == 3.5).all()


def test_the_larger_border_is_right_and_below() -> None:
    place = placement(96, 155, CONTRACT, upscale=True)
    assert (place.left, place.top, place.ratio) == (2, 0, 1.0)


def test_a_view_is_read_correctly() -> None:
    picture = make_picture(96, 320)[:, ::2]
    np.testing.assert_array_equal(letterbox([picture], CONTRACT)[0][0], plain(np.ascontiguousarray(picture), CONTRACT))


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(HooklineError, match="an image of 5x0 pixels"):
        letterbox([np.zeros((0, 5, 3), np.uint8)], CONTRACT)


@pytest.mark.parametrize("upscale", [True, False])
def test_fit_scales_to_a_part_of_the_input(upscale: bool) -> None:
    contract = InputContract(1, 96, 160)
    place = placement(480, 640, contract, upscale=upscale, fit=(128, 128))
    assert (place.ratio, place.left, place.top) == (0.2, 16, 0)
    images, _ = letterbox([np.full((480, 640, 3), 255, np.uint8)], contract, upscale=upscale, fit=(128, 128))
    assert images.shape == (1, 3, 96, 160)
    columns = np.flatnonzero((images[0, 0] == 1).all(axis=0))
    assert (columns[0], columns[-1], len(columns)) == (16, 143, 128)
    assert placement(48, 64, contract, upscale=upscale, fit=(128, 128)).ratio == (2 if upscale else 1)
