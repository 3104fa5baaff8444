from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from stages.dataset import similarity
from stages.dataset.similarity import MAX_BITS, MAX_DISTANCE, Hashes, Similar, perceptual_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def distance(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    content = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)


def resized(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


COPIES: list[Change] = [
    lambda image: jpeg(image, 90),
    lambda image: jpeg(image, 20),
    lambda image: jpeg(resized(image, 416), 75),
    lambda image: resized(image, 160),
    lambda image: cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
]


def test_copies_are_found_and_other_images_are_not(shared_data: Path) -> None:
    files = sorted((shared_data / "coco_subset" / "images" / "val").glob("*.jpg"))[:64]
    images = [np.asarray(cv2.imread(str(file)), np.uint8) for file in files]
    hashes = [perceptual_hash(image) for image in images]
    assert {len(item) for item in hashes} == {MAX_BITS // 8}
    for change in COPIES:
        assert (
            max(distance(one, perceptual_hash(change(image))) for one, image in zip(hashes, images, strict=True)) <= 9
        )
    others = [distance(one, other) for index, one in enumerate(hashes) for other in hashes[:index]]
    assert min(others) > 2 * MAX_DISTANCE


def test_an_image_of_one_color_has_no_hash() -> None:
    assert perceptual_hash(np.full((40, 60, 3), 200, np.uint8)) == b""


def code(*ones: int) -> bytes:
    bits = np.zeros(MAX_BITS, np.uint8)
    bits[list(ones)] = 1
    return np.packbits(bits).tobytes()


def test_the_nearest_image_of_an_earlier_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "BLOCK", 112)  # several blocks
    hashes = Hashes()
    random = np.random.default_rng(0)
    for number in range(40):
        hashes.add("train", Path(f"{number}"), random.bytes(16))
    hashes.add("train", Path("a"), code())
    hashes.add("train", Path("b"), code(*range(5)))
    hashes.add("train", Path("flat"), b"")
    hashes.add("val", Path("flat too"), b"")
    hashes.add("val", Path("c"), code(*range(4)))
    hashes.add("val", Path("d"), code(*range(70, 70 + MAX_DISTANCE)))
    hashes.add("val", Path("e"), code(*range(70, 70 + MAX_DISTANCE + 1)))
    hashes.add("test", Path("f"), code(*range(70, 70 + MAX_DISTANCE + 1), 5))
    assert hashes.similar() == [
        Similar("val", Path("c"), "train", Path("b"), 1),
        Similar("val", Path("d"), "train", Path("a"), MAX_DISTANCE),
        Similar("test", Path("f"), "val", Path("e"), 1),
    ]


def test_the_number_of_ones_without_numpy_2(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 1 << 64, (3, 5), dtype=np.uint64)
    expected = [[int(value).bit_count() for value in row] for row in values]
    assert similarity._ones(values).tolist() == expected
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert similarity._ones(values).tolist() == expected
