from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.media import picture
from core.media.picture import UnreadableError, picture_size, read_picture
from tests.support.dataset_tools import write_picture


def exif(orientation: int, order: str = "<") -> bytes:
    """A TIFF block with two entries, the orientation second."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(f"{order}HHIHH", 0x0100, 3, 1, 9, 0) + struct.pack(
        f"{order}HHIHH", 0x0112, 3, 1, orientation, 0
    )
    return mark + struct.pack(f"{order}IH", 8, 2) + entries + bytes(4)


def turned(path: Path, orientation: int, order: str) -> Path:
    block = b"Exif\0\0" + exif(orientation, order)
    content = path.read_bytes()
    path.write_bytes(content[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + content[2:])
    return path


def no_decode(path: Path) -> None:
    raise AssertionError(f"'{path}' was decoded")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp", "a.webp", "a.tif"])
def test_size_by_format(tmp_path: Path, name: str) -> None:
    assert picture_size(write_picture(tmp_path / name, (33, 17))) == (17, 33)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_jpeg_and_png_are_not_decoded(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_picture(tmp_path / name, (33, 17))
    monkeypatch.setattr(picture, "read_picture", no_decode)
    assert picture_size(path) == (17, 33)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_turned_by_exif(tmp_path: Path, orientation: int, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = turned(write_picture(tmp_path / "a.jpg", (33, 17)), orientation, order)
    expected = read_picture(path).shape[:2]
    assert expected == ((17, 33) if orientation < 5 else (33, 17))
    monkeypatch.setattr(picture, "read_picture", no_decode)
    assert picture_size(path) == expected


def test_progressive_jpeg_and_damaged_exif(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), np.zeros((17, 33, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert picture_size(path) == (17, 33)
    content = path.read_bytes()
    path.write_bytes(content[:2] + b"\xff\xe1\0\x0eExif\0\0II*\0\xff\0" + content[2:])
    assert picture_size(path) == (17, 33)


def test_fill_bytes_and_a_large_preview_in_front_of_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_picture(tmp_path / "a.jpg", (33, 17))
    content = path.read_bytes()
    preview = b"\xff\xff\xe2" + struct.pack(">H", 0xFFFF) + bytes(0xFFFD)
    path.write_bytes(content[:2] + preview * 2 + content[2:])
    monkeypatch.setattr(picture, "read_picture", no_decode)
    assert picture_size(path) == (17, 33)


def test_png_with_exif_is_as_it_is_read(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", (33, 17))
    content = path.read_bytes()
    block = exif(6)
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    path.write_bytes(content[:33] + chunk + content[33:])
    assert picture_size(path) == read_picture(path).shape[:2]


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8", b"\xff\xd8\xff\xc0", b"\x89PNG\r\n\x1a\n\0\0"])
def test_no_image(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableError):
        picture_size(path)
    with pytest.raises(UnreadableError, match="No such file"):
        picture_size(tmp_path / "gone.jpg")
