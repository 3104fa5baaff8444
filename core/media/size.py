"""Height and width of a picture file, from its header where that is enough. Heavy: imports OpenCV."""

from __future__ import annotations

import struct
from pathlib import Path

from core.media.exif import JPEG_SCAN, JPEG_START, PNG_START, UPRIGHT, orientation
from core.media.picture import UnreadableError, read_picture

HEAD = 1 << 16
"""Bytes that are read of a JPEG at first; a large preview in front of the size needs more."""
STANDALONE = {0x01, *range(0xD0, 0xD9)}
"""JPEG markers without a length."""
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers whose segment holds the size (SOF0 to SOF15)."""
LYING = {5, 6, 7, 8}
"""EXIF orientations that swap height and width."""


def picture_size(path: Path) -> tuple[int, int]:
    """Height and width in pixels as :func:`~core.media.picture.read_picture` would give them.

    JPEG and PNG are not decoded; whatever else, or has a header that is out of the ordinary, is.

    Raises:
        UnreadableError: Not there, or no picture.
    """
    try:
        with path.open("rb") as file:
            content = file.read(HEAD)
            size = _size(content) or _size(content + file.read())
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error
    if size is None or not all(size):
        height, width = read_picture(path).shape[:2]
        return height, width
    return size


def _size(content: bytes) -> tuple[int, int] | None:
    """None where these bytes do not tell."""
    try:
        if content.startswith(JPEG_START):
            return _jpeg(content)
        if content.startswith(PNG_START):
            return _png(content)
    except (struct.error, IndexError):
        return None
    return None


def _jpeg(content: bytes) -> tuple[int, int] | None:
    position = len(JPEG_START)
    while content[position] == 0xFF:
        marker = content[position + 1]
        if marker in FRAMES:
            height, width = struct.unpack_from(">HH", content, position + 5)
            return (width, height) if orientation(content[:position]) in LYING else (height, width)
        if marker == JPEG_SCAN:
            return None
        if marker == 0xFF:  # any number of them may stand before a marker
            position += 1
        elif marker in STANDALONE:
            position += 2
        else:
            position += 2 + int(struct.unpack_from(">H", content, position + 2)[0])
    return None


def _png(content: bytes) -> tuple[int, int] | None:
    """None where the file is cut off, as EXIF data may stand at its end, or where those turn it."""
    if b"IEND" not in content[-16:] or orientation(content) != UPRIGHT:
        return None
    width, height = struct.unpack_from(">II", content, 16)
    return height, width
