"""Every input contract: processors and twin agree with the formula, and boxes map back to the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest

from backends.cv.letterbox import letterbox, placement, resized_size
from backends.cv.processor import OpenCvProcessor
from backends.gpu.device import fetch
from backends.gpu.processor import CupyProcessor
from core.detections import Filter
from core.kinds.head import BOXES, CLASSES, NUM, SCORES, DecodedHead
from core.kinds.processor import for_session
from core.model_facts import DECODED, InputContract, Preprocessing
from cuda_plugins import letterbox as twin
from tests.backends.gpu.devices import FakeSession, ShimDevice
from tests.support.grid_family import FACTS

PADDINGS = ["centre", "top_left"]
MEAN = Preprocessing(padding="top_left", pad_value=0, channels="bgr", scale=1 / 64, offset=-2.0)


@dataclass(frozen=True)
class Case:
    contract: InputContract
    picture: np.ndarray
    upscale: bool
    fit: tuple[int, int] | None


def random_cases(count: int, seed: int) -> Iterator[Case]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        height, width = (int(side) for side in 32 * rng.integers(1, 6, 2))
        contract = Preprocessing(
            padding=rng.choice(PADDINGS),
            pad_value=int(rng.integers(256)),
            channels=rng.choice(["rgb", "bgr"]),
            scale=float(rng.choice([1 / 255, 1.0, 1 / 58.395, rng.uniform(1e-4, 3)])),
            offset=float(rng.choice([0.0, -1.0, -2.1179, rng.uniform(-300, 300)])),
        ).contract(batch=1, height=height, width=width)
        sides = np.ceil(np.exp(rng.uniform(0, np.log(300), 2))).astype(int)
        picture = rng.integers(0, 256, (*sides, 3), np.uint8)
        fit = (int(rng.integers(1, height + 1)), int(rng.integers(1, width + 1))) if rng.random() < 0.4 else None
        yield Case(contract, picture, bool(rng.random() < 0.7), fit)


def by_formula(case: Case) -> np.ndarray:
    """Resize, put into a canvas with the border level, then convert every value of the canvas (docs/contracts.md)."""
    contract, picture = case.contract, case.picture
    rows, columns = case.fit or (contract.height, contract.width)
    ratio = min(rows / picture.shape[0], columns / picture.shape[1])
    ratio = ratio if case.upscale else min(ratio, 1.0)
    height, width = (max(1, round(side * ratio)) for side in picture.shape[:2])
    top, left = {
        "centre": (round((contract.height - height) / 2 - 0.1), round((contract.width - width) / 2 - 0.1)),
        "top_left": (0, 0),
    }[contract.padding]
    canvas = np.full((contract.height, contract.width, 3), contract.pad_value, np.uint8)
    canvas[top : top + height, left : left + width] = cv2.resize(picture, (width, height))
    ordered = canvas[:, :, ::-1] if contract.channels == "rgb" else canvas
    return (ordered.transpose(2, 0, 1).astype(np.float64) * contract.scale + contract.offset).astype(np.float32)


def by_twin(case: Case) -> np.ndarray:
    contract = case.contract
    place = placement(*case.picture.shape[:2], contract, upscale=case.upscale, fit=case.fit)
    (image,) = twin.letterbox(
        [case.picture],
        [twin.LetterboxPlacement(*resized_size(place), place.top, place.left)],
        height=contract.height,
        width=contract.width,
        border=contract.pad_value,
        scale=contract.scale,
        offset=contract.offset,
        swap=contract.channels == "rgb",
    )
    return image


def test_opencv_and_twin_equal_the_formula() -> None:
    for case in random_cases(300, seed=1):
        expected = by_formula(case)
        (image,), _ = letterbox([case.picture], case.contract, upscale=case.upscale, fit=case.fit)
        np.testing.assert_array_equal(image, expected, err_msg=str(case.contract))
        np.testing.assert_array_equal(by_twin(case), expected, err_msg=str(case.contract))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_kernel_equals_the_formula(dtype: str) -> None:
    device = ShimDevice()
    session = FakeSession(device, FACTS, lambda images: {}, layout=DECODED, input_dtype=dtype)
    processor = for_session(CupyProcessor(lambda number: device), session)
    for case in random_cases(40, seed=2):
        images, _ = processor.prepare([case.picture], case.contract, upscale=case.upscale, fit=case.fit)
        np.testing.assert_array_equal(fetch(images, device, session.stream)[0], by_formula(case).astype(dtype))


@pytest.mark.parametrize("padding", PADDINGS)
def test_a_box_lies_where_the_letterbox_put_it(padding: Any) -> None:
    """Find a white rectangle in the network input; its box maps to the rectangle in the image."""
    rng = np.random.default_rng(3)
    processor = OpenCvProcessor()
    for _ in range(60):
        contract = Preprocessing(padding=padding, scale=1.0, pad_value=0).contract(batch=1, height=128, width=192)
        height, width = (int(side) for side in rng.integers(60, 400, 2))
        left, top = int(rng.integers(width // 2)), int(rng.integers(height // 2))
        right, bottom = int(rng.integers(left + 20, width + 1)), int(rng.integers(top + 20, height + 1))
        picture = np.zeros((height, width, 3), np.uint8)
        picture[top:bottom, left:right] = 255
        images, placed = processor.prepare([picture], contract)
        ys, xs = np.nonzero(images[0, 0] >= 128)
        box = np.float32([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        (found,) = processor.detect(decoded(box), DecodedHead(FACTS), placed, Filter())
        np.testing.assert_allclose(found.boxes[0], [left, top, right, bottom], atol=1 / placed[0].ratio + 1e-3)


def decoded(box: np.ndarray) -> dict[str, Any]:
    return {
        NUM: np.ones((1, 1), np.int32),
        BOXES: box[None, None],
        SCORES: np.ones((1, 1), np.float32),
        CLASSES: np.zeros((1, 1), np.int32),
    }


def test_top_left_leaves_the_border_right_and_below() -> None:
    contract = MEAN.contract(batch=1, height=96, width=160)
    (image,), (place,) = letterbox([np.full((48, 40, 3), 255, np.uint8)], contract)
    assert (place.top, place.left, place.ratio) == (0, 0, 2.0)
    assert (image[:, :, :80] == 255 / 64 - 2).all()
    assert (image[:, :, 80:] == -2).all()


def test_a_contract_has_the_values_of_its_preprocessing() -> None:
    contract = MEAN.contract(batch=2, height=32, width=64, dynamic=("batch",), name="data")
    assert contract == InputContract(
        2, 32, 64, ("batch",), "data", padding="top_left", pad_value=0, channels="bgr", scale=1 / 64, offset=-2.0
    )
    assert InputContract(1, 32, 32) == Preprocessing().contract(batch=1, height=32, width=32)
