from __future__ import annotations

import random
import struct
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.media import picture as picture_module
from core.media.choices import MAX_PIXELS
from core.media.header import stored_size
from core.media.picture import UnreadableError, decode_checked, picture_size, read_picture
from core.media.segments import orientation

FORMATS = (
    "jpg", "png", "bmp", "webp", "tif", "ppm", "pgm", "pbm", "pam", "pfm", "gif", "jp2", "avif", "hdr", "sr",
)  # fmt: skip
HEIGHT, WIDTH = 37, 53
PIXELS = HEIGHT * WIDTH


def encoded(suffix: str, height: int = HEIGHT, width: int = WIDTH, *options: int) -> bytes:
    colours = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    if suffix in {"pfm", "hdr"}:
        colours = colours.astype(np.float32) / 255
    if suffix in {"pgm", "pbm"}:
        colours = colours[:, :, 0]
    done, content = cv2.imencode(f".{suffix}", colours, options)
    assert done
    return content.tobytes()


def readable(suffix: str) -> bytes:
    try:
        content = encoded(suffix)
    except cv2.error:
        pytest.skip(f"this OpenCV does not write {suffix}")
    if cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) is None:
        pytest.skip(f"this OpenCV does not read {suffix}")
    return content


def refused(_content: bytes, _flags: int) -> None:
    raise AssertionError("was decoded")


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_limit_is_checked_before_anything_is_decoded(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = readable(suffix)
    assert stored_size(content) == (HEIGHT, WIDTH)
    assert decode_checked(content, 2 * PIXELS).pixels.shape == (HEIGHT, WIDTH, 3)  # floats have 12 bytes per pixel
    monkeypatch.setattr(picture_module, "_decode", refused)
    with pytest.raises(UnreadableError, match=f"it has 53 x 37 = 1,961 pixels; raise max_pixels={PIXELS - 1} to read"):
        decode_checked(content, PIXELS - 1)


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_header_lets_a_decoder_make_more_pixels(suffix: str) -> None:
    """With any damage to the header, a decoded image never exceeds the limit."""
    content, chance = readable(suffix), random.Random(suffix)
    start = max(content.find(b"ispe"), content.find(b"\xff\x4f\xff\x51"), content.find(b"\xff\xc0"), 0)
    if suffix == "tif":
        (start,) = struct.unpack_from("<I", content, 4)
    decoded, limit = 0, 2 * PIXELS if suffix in {"pfm", "hdr"} else PIXELS  # their pixels have 12 bytes instead of 8
    for _ in range(150):
        changed = bytearray(content)
        for _ in range(chance.randint(1, 3)):
            place = min(start + chance.randrange(48), len(content) - 1)
            changed[place] = chance.choice((0, 1, 2, 32, 49, 57, chance.randrange(256)))
        try:
            image = decode_checked(bytes(changed), limit).pixels
        except UnreadableError:
            continue
        decoded += 1
        assert image.shape[0] * image.shape[1] <= limit, changed[:64].hex()
    assert decoded or suffix == "hdr"  # a text header of 48 bytes


@pytest.mark.parametrize("suffix", ["webp", "png", "jpg", "tif"])
def test_other_kinds_of_one_format(suffix: str) -> None:
    options = {
        "webp": (cv2.IMWRITE_WEBP_QUALITY, 101),
        "png": (cv2.IMWRITE_PNG_COMPRESSION, 0),
        "jpg": (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        "tif": (cv2.IMWRITE_TIFF_COMPRESSION, 1),
    }
    assert stored_size(encoded(suffix, 40, 60, *options[suffix])) == (40, 60)


def test_bytes_between_the_segments_of_a_jpeg() -> None:
    content = encoded("jpg")
    assert stored_size(content[:2] + b"\0\x17\xff\xff" + content[2:]) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_start_of_a_file_has_a_size_or_none(suffix: str) -> None:
    content = readable(suffix)
    sizes = {stored_size(content[:end]) for end in range(len(content))}
    assert sizes <= {None, (HEIGHT, WIDTH)}


@pytest.mark.parametrize(
    "content", [b"text", b"BM", b"%PDF-1.4", b"\0" * 100, b"8BPS" + bytes(50), b"\x76\x2f\x31\x01" * 9]
)
def test_unknown_formats_are_not_decoded(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_module, "_decode", refused)
    with pytest.raises(UnreadableError, match="not an image, or damaged"):
        decode_checked(content)


@pytest.mark.parametrize(
    ("start", "repeated"),
    [
        (b"\xff\xd8", b"\xff"),
        (b"\xff\xd8", b"\xff\xe1\0\2"),
        (b"\xff\xd8", b"\xff\x01"),
        (b"\x89PNG\r\n\x1a\n", b"\0\0\0\0abcd\0\0\0\0"),
        (b"RIFF\0\0\0\0WEBP", b"abcd\0\0\0\0"),
        (b"\0\0\0\x20ftypavif", b"ispe"),
        (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
        (b"P5", b" "),
        (b"P5", b"#\n"),
        (b"#?RADIANCE\n", b"-Y 1\n"),
    ],
    ids=["fill", "empty segments", "markers", "chunks", "riff", "ispe", "codestreams", "blanks", "comments", "lines"],
)
def test_headers_without_end(start: bytes, repeated: bytes) -> None:
    content = start + repeated * (40_000_000 // len(repeated))
    begin = time.perf_counter()
    stored_size(content)
    orientation(content)
    assert time.perf_counter() - begin < 3


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xCE001720, 0xFFFFFFFF])
def test_a_png_chunk_that_lies_about_its_length_takes_no_memory(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV allocates as many bytes as a chunk declares: 3.7 GB for a file of 6 kB."""
    content = encoded("png")
    start = content.index(b"IDAT") - 4
    monkeypatch.setattr(picture_module, "_decode", refused)
    with pytest.raises(UnreadableError, match="a chunk is longer than the file"):
        decode_checked(content[:start] + length.to_bytes(4, "big") + content[start + 4 :])


def test_a_photo_and_a_panorama_fit(tmp_path: Path) -> None:
    assert MAX_PIXELS >= 16320 * 12240
    path = tmp_path / "wide.png"
    path.write_bytes(encoded("png", 10, 20_000))
    assert read_picture(path).shape == (10, 20_000, 3)


def test_the_size_alone_obeys_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded("jpg"))
    with pytest.raises(UnreadableError, match="1,961 pixels"):
        picture_size(path, PIXELS - 1)


def test_files_of_gigabytes_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    with path.open("wb") as file:
        file.truncate(8 * MAX_PIXELS + (1 << 26) + 1)
    with pytest.raises(UnreadableError, match=r"it has 1,667,108,865 bytes, the limit is 1,667,108,864"):
        read_picture(path)
