from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.media.picture import decode_checked, picture_size, read_picture
from core.media.segments import orientation
from tests.support.media_tools import oriented_tiff

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def encoded(suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, IMAGE)[1])


def tiff(value: int, order: str) -> bytes:
    tags = struct.pack(f"{order}HHIHH", 0x010F, 3, 1, 7, 0) + struct.pack(f"{order}HHIHH", 0x0112, 3, 1, value, 0)
    start = b"II" if order == "<" else b"MM"
    return start + struct.pack(f"{order}HIH", 42, 8, 2) + tags + struct.pack(f"{order}I", 0)


def jpeg(value: int, order: str = ">") -> bytes:
    content, exif = encoded(".jpg"), b"Exif\0\0" + tiff(value, order)
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]


def png(value: int, order: str = ">") -> bytes:
    content, data = encoded(".png"), b"eXIf" + tiff(value, order)
    return content[:33] + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data)) + content[33:]


def webp(value: int, order: str = ">") -> bytes:
    exif = tiff(value, order)
    canvas = struct.pack("<I", 0x08) + struct.pack("<I", 29)[:3] + struct.pack("<I", 19)[:3]
    chunks = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + canvas + encoded(".webp")[12:]
    chunks += b"EXIF" + struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2)
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("make", [jpeg, png, webp])
@pytest.mark.parametrize("value", [1, 3, 6, 8])
def test_reads_the_tag(make, value: int, order: str) -> None:
    assert orientation(make(value, order)) == value


@pytest.mark.parametrize("between", [b"\xff\xff", b"\xff\x01", b"\xff\xd0"], ids=["fill", "TEM", "RST0"])
def test_markers_without_a_segment_hide_no_exif_data(between: bytes, tmp_path: Path) -> None:
    content = jpeg(6)
    path = tmp_path / "a.jpg"
    path.write_bytes(content[:2] + between + content[2:])
    assert orientation(path.read_bytes()) == 6
    assert picture_size(path) == read_picture(path).shape[:2] == (30, 20)


@pytest.mark.parametrize("value", range(1, 9))
def test_the_tag_of_a_tiff(value: int) -> None:
    content = oriented_tiff(IMAGE, value)
    assert orientation(content) == value
    assert decode_checked(content).pixels.shape == ((20, 30, 3) if value < 5 else (30, 20, 3))


@pytest.mark.parametrize("make", [jpeg, png, webp])
def test_images_are_rotated_by_the_tag(make) -> None:
    assert decode_checked(make(1)).pixels.shape == (20, 30, 3)
    assert decode_checked(make(6)).pixels.shape == (30, 20, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_upright_without_the_tag(suffix: str) -> None:
    assert orientation(encoded(suffix)) == 1


@pytest.mark.parametrize("value", [0, 9])
def test_a_value_without_meaning_is_upright(value: int) -> None:
    assert orientation(jpeg(value)) == 1


@pytest.mark.parametrize("make", [jpeg, png, webp])
def test_damage_is_upright(make) -> None:
    content = make(6)
    for end in range(len(content)):
        assert orientation(content[:end]) in {1, 6}
