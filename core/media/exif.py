"""The EXIF orientation of JPEG, PNG and WebP files, read from their bytes (Exif 2.32, tag 0x0112)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from core.media.header import JPEG_START, PNG_START

UPRIGHT = 1
TAG, MARK = 0x0112, b"Exif\0\0"
JPEG_SCAN, JPEG_APP1, FILL = 0xDA, 0xE1, 0xFF
MAX_PARTS = 1 << 20
"""Segments or chunks that are looked through: a PNG of 600 MB has 80,000."""


def orientation(content: bytes) -> int:
    """1 to 8: how the stored picture is turned or mirrored; 1, upright, where nothing is said or it is damaged."""
    try:
        return _tag(_exif(content))
    except (struct.error, IndexError):
        return UPRIGHT


def _exif(content: bytes) -> bytes:
    """The TIFF structure that holds the tags, empty where there is none."""
    if content.startswith(JPEG_START):
        blocks = (block for block in _jpeg_app1(content) if block.startswith(MARK))
    elif content.startswith(PNG_START):
        blocks = (content[start : start + size] for name, start, size in png_chunks(content) if name == b"eXIf")
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        blocks = (content[start : start + size] for name, start, size in _riff_chunks(content) if name == b"EXIF")
    else:
        return b""
    return next(blocks, b"").removeprefix(MARK)


def _jpeg_app1(content: bytes) -> Iterator[bytes]:
    position = 2
    for _ in range(MAX_PARTS):
        if content[position] != FILL:
            return
        marker = content[position + 1]
        if marker == FILL:
            position += 1
            continue
        if marker == JPEG_SCAN:
            return
        (size,) = struct.unpack_from(">H", content, position + 2)
        if marker == JPEG_APP1:
            yield content[position + 4 : position + 2 + size]
        position += 2 + size


def png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and size of each chunk's data in a PNG; the last one may reach beyond the end."""
    position = len(PNG_START)
    for _ in range(MAX_PARTS):
        if position + 8 > len(content):
            return
        size, name = struct.unpack_from(">I4s", content, position)
        yield name, position + 8, size
        position += 12 + size


def _riff_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    position = 12
    for _ in range(MAX_PARTS):
        if position + 8 > len(content):
            return
        name, size = struct.unpack_from("<4sI", content, position)
        yield name, position + 8, size
        position += 8 + size + size % 2


def _tag(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return UPRIGHT
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for index in range(count):
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * index)
        if tag == TAG:
            return value if UPRIGHT <= value <= 8 else UPRIGHT
    return UPRIGHT
