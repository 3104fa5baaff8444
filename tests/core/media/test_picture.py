from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.media.picture import UnreadableError, read_picture
from tests.support.media_tools import make_picture, oriented_jpeg, write_pictures


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm"])
def test_lossless_images_are_read_exactly(tmp_path: Path, suffix: str) -> None:
    (path,) = write_pictures(tmp_path, [f"ü {suffix}.{suffix}"])
    np.testing.assert_array_equal(read_picture(path), make_picture())


@pytest.mark.parametrize(
    "stored",
    [
        make_picture()[:, :, 0],
        np.dstack([make_picture(), np.full((48, 64), 255, np.uint8)]),
        make_picture().astype(np.uint16) * 257,
    ],
    ids=["grey", "opaque", "16 bits"],
)
def test_everything_becomes_three_channels_of_eight_bits(tmp_path: Path, stored: np.ndarray) -> None:
    path = tmp_path / "x.png"
    cv2.imwrite(str(path), stored)
    picture = read_picture(path)
    assert picture.dtype == np.uint8
    expected = np.dstack([stored] * 3) if stored.ndim == 2 else make_picture()
    np.testing.assert_array_equal(picture, expected)


def exif_oriented(orientation: int) -> bytes:
    """A 64x48 JPEG with an EXIF orientation tag."""
    return oriented_jpeg(cv2.imencode(".jpg", make_picture())[1].tobytes(), orientation)


@pytest.mark.parametrize(("orientation", "shape"), [(1, (48, 64, 3)), (6, (64, 48, 3))])
def test_the_exif_orientation_is_honoured(tmp_path: Path, orientation: int, shape: tuple[int, ...]) -> None:
    (tmp_path / "x.jpg").write_bytes(exif_oriented(orientation))
    assert read_picture(tmp_path / "x.jpg").shape == shape


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_truncated(tmp_path: Path, suffix: str) -> None:
    content = cv2.imencode(suffix, make_picture())[1].tobytes()
    (tmp_path / "x").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(UnreadableError, match="truncated"):
        read_picture(tmp_path / "x")


def test_a_thumbnail_does_not_hide_that_a_jpeg_is_truncated(tmp_path: Path) -> None:
    thumbnail = cv2.imencode(".jpg", make_picture(8, 8))[1].tobytes()
    content = cv2.imencode(".jpg", make_picture())[1].tobytes()
    block = b"\xff\xe2" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = content[:2] + block + content[2:]
    (tmp_path / "whole").write_bytes(whole + b"something after the end")
    (tmp_path / "cut").write_bytes(whole[:-100])
    assert read_picture(tmp_path / "whole").shape == (48, 64, 3)
    with pytest.raises(UnreadableError, match="truncated"):
        read_picture(tmp_path / "cut")


@pytest.mark.parametrize(("content", "reason"), [(b"", "the file is empty"), (b"no picture at all", "not an image")])
def test_not_an_image(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(UnreadableError, match=reason):
        read_picture(tmp_path / "x.jpg")


def test_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="No such file"):
        read_picture(tmp_path / "x.jpg")
