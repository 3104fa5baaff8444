"""Segments of JPEG files, chunks of PNG and WebP files, and the EXIF orientation in them (Exif 2.32, tag 0x0112)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

JPEG_START, PNG_START = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
TIFF_STARTS = (b"II*\0", b"MM\0*")
"""First bytes of a TIFF; BigTIFF has others."""
UPRIGHT = 1
SIDEWAYS = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap height and width."""
MAX_SEGMENTS, MAX_CHUNKS = 1 << 16, 1 << 20
"""Segments of a JPEG before the image data, and chunks of a PNG or WebP; a PNG of 600 MB has 80,000."""
_SCAN, _APP1 = 0xDA, 0xE1
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
"""JPEG markers without a segment."""
_EXIF = b"Exif\0\0"
_TAG = 0x0112


def is_webp(content: bytes) -> bool:
    """Return whether these bytes begin a WebP file."""
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def jpeg_segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the segments of a JPEG before the image data, found as libjpeg finds them.

    Bytes between two segments are skipped, and the first byte of a marker may be repeated.

    Yields:
        Marker, position of the payload, and its number of bytes; the last payload may extend beyond the end.

    Raises:
        IndexError, ValueError, struct.error: The bytes end before the image data.
    """
    position = len(JPEG_START)
    for _ in range(MAX_SEGMENTS):
        position = content.index(b"\xff", position) if content[position] != 0xFF else position
        marker = content[position + 1]
        if marker == _SCAN:
            return
        if marker in {0x00, 0xFF}:
            position += 1
        elif marker in _WITHOUT_LENGTH:
            position += 2
        else:
            (size,) = struct.unpack_from(">H", content, position + 2)
            yield marker, position + 4, size - 2
            position += 2 + size


def png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, position and number of bytes of each chunk of a PNG; the last one may extend beyond the end."""
    position = len(PNG_START)
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(content):
            return
        size, name = struct.unpack_from(">I4s", content, position)
        yield name, position + 8, size
        position += 12 + size


def webp_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, position and number of bytes of each chunk of a WebP; the last one may extend beyond the end."""
    position = len(b"RIFF") + 4 + len(b"WEBP")
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(content):
            return
        name, size = struct.unpack_from("<4sI", content, position)
        yield name, position + 8, size
        position += 8 + size + size % 2


def orientation(content: bytes) -> int:
    """Return the EXIF orientation, 1 to 8, of a JPEG, PNG, WebP or TIFF.

    Returns:
        How the stored image is rotated or mirrored; 1 (upright) for other formats and for damaged or missing EXIF data.
    """
    try:
        return _orientation_tag(_exif_data(content))
    except (struct.error, IndexError, ValueError):
        return UPRIGHT


def _exif_data(content: bytes) -> bytes:
    """Return the TIFF structure with the tags, empty for none."""
    if content.startswith(TIFF_STARTS):
        return content
    if content.startswith(JPEG_START):
        payloads = (content[start : start + size] for marker, start, size in jpeg_segments(content) if marker == _APP1)
        blocks = (payload for payload in payloads if payload.startswith(_EXIF))
    elif content.startswith(PNG_START):
        blocks = (content[start : start + size] for name, start, size in png_chunks(content) if name == b"eXIf")
    elif is_webp(content):
        blocks = (content[start : start + size] for name, start, size in webp_chunks(content) if name == b"EXIF")
    else:
        return b""
    return next(blocks, b"").removeprefix(_EXIF)


def _orientation_tag(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return UPRIGHT
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for index in range(count):
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * index)
        if tag == _TAG:
            return value if UPRIGHT <= value <= 8 else UPRIGHT
    return UPRIGHT
