"""Height and width of an image from its header, without decoding.

It covers every format that OpenCV's wheels decode, recognized by content and not by suffix. Files of other formats are
never decoded, so no decoder allocates more memory than the header declares. Sizes are as stored: EXIF orientation is
not applied. docs/architecture.md says why Pillow does not do this.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from core.media.segments import JPEG_START, PNG_START, TIFF_STARTS, is_webp, jpeg_segments

Size = tuple[int, int]
"""Height and width in pixels."""

JPEG2000_START = b"\xff\x4f\xff\x51"
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers whose segment holds the size (SOF0 to SOF15)."""
TIFF_SIDES = {256: 0, 257: 1, 322: 0, 323: 1}
"""TIFF tags of width and height, of the image and of a tile: a decoder allocates at least one tile."""
TIFF_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}
MAX_IMAGES = 1 << 16
"""Images in one JPEG 2000 or AVIF file whose sizes are compared."""
TEXT_HEADER = 1 << 12
"""Maximum bytes of a text header."""
_PNM = re.compile(rb"P[1-6fF](?:\s|#[^\n]*\n)+(\d{1,10})(?:\s|#[^\n]*\n)+(\d{1,10})\s")
_PAM = re.compile(rb"^(WIDTH|HEIGHT)\s+(\d{1,10})\s*\n", re.MULTILINE)
_HDR = re.compile(rb"^-Y (\d{1,10}) \+X (\d{1,10})\n", re.MULTILINE)


def stored_size(content: bytes) -> Size | None:
    """Return the height and width in the header.

    Args:
        content: The file, or its start.

    Returns:
        None if the format is unknown or the bytes end before the size.
    """
    try:
        size = next((read(content) for begins, read in _FORMATS if begins(content)), None)
    except (struct.error, IndexError, ValueError):
        return None
    return size if size and min(size) > 0 else None


def jpeg_frame(content: bytes) -> int | None:
    """Return the position of the payload with the size of a JPEG; None if the image data comes first.

    Raises:
        IndexError, ValueError, struct.error: The bytes end before either.
    """
    return next((start for marker, start, _ in jpeg_segments(content) if marker in FRAMES), None)


def _jpeg(content: bytes) -> Size | None:
    frame = jpeg_frame(content)
    return None if frame is None else struct.unpack_from(">HH", content, frame + 1)


def _png(content: bytes) -> Size:
    width, height = struct.unpack_from(">II", content, 16)
    return height, width


def _bmp(content: bytes) -> Size:
    if struct.unpack_from("<I", content, 14)[0] == 12:  # OS/2
        width, height = struct.unpack_from("<HH", content, 18)
        return height, width
    width, height = struct.unpack_from("<ii", content, 18)
    return abs(height), abs(width)  # a negative height: rows from the top


def _webp(content: bytes) -> Size | None:
    kind = content[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return height & 0x3FFF, width & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8X":
        width, height = (int.from_bytes(content[start : start + 3], "little") + 1 for start in (24, 27))
        return (height, width) if len(content) >= 30 else None
    return None


def _gif(content: bytes) -> Size:
    width, height = struct.unpack_from("<HH", content, 6)
    return height, width


def _tiff(content: bytes) -> Size:
    sides = [0, 0]
    for entry in tiff_entries(content):
        if entry.tag in TIFF_SIDES:
            side = TIFF_SIDES[entry.tag]
            sides[side] = max(sides[side], entry.inline(content))
    return sides[1], sides[0]


class TiffEntry(NamedTuple):
    """An entry with integers of the first image of a TIFF.

    Attributes:
        tag: Number of the tag.
        code: Format of a value for :mod:`struct`, with the byte order.
        values: Number of values.
        position: Position of the field that holds the values, or their position if they do not fit.
        offset: Format of this position.
    """

    tag: int
    code: str
    values: int
    position: int
    offset: str

    def inline(self, content: bytes) -> int:
        """Return the value in the field."""
        return int(struct.unpack_from(self.code, content, self.position)[0])

    def first(self, content: bytes) -> int:
        """Return the first value.

        Raises:
            struct.error: It is outside of the file.
        """
        if self.values * struct.calcsize(self.code) <= struct.calcsize(self.offset):
            return self.inline(content)
        (place,) = struct.unpack_from(self.offset, content, self.position)
        return int(struct.unpack_from(self.code, content, place)[0])


def tiff_entries(content: bytes) -> Iterator[TiffEntry]:
    """Yield each integer entry of the first image of a TIFF."""
    order = "<" if content.startswith(b"II") else ">"
    big = struct.unpack_from(f"{order}H", content, 2)[0] == 43
    start = struct.unpack_from(f"{order}Q", content, 8)[0] if big else struct.unpack_from(f"{order}I", content, 4)[0]
    size = struct.unpack_from(f"{order}{'Q' if big else 'H'}", content, start)[0]
    number = f"{order}{'Q' if big else 'I'}"
    first, length, field = (start + 8, 20, 12) if big else (start + 2, 12, 8)
    for place in range(first, first + min(size, (len(content) - first) // length) * length, length):
        tag, kind = struct.unpack_from(f"{order}HH", content, place)
        if kind in TIFF_INTEGERS:
            (count,) = struct.unpack_from(number, content, place + 4)
            yield TiffEntry(tag, order + TIFF_INTEGERS[kind], count, place + field, number)


def _pnm(content: bytes) -> Size | None:
    found = _PNM.match(content[:TEXT_HEADER])
    return (int(found[2]), int(found[1])) if found else None


def _pam(content: bytes) -> Size | None:
    sides = {name: int(value) for name, value in _PAM.findall(content[:TEXT_HEADER])}
    return (sides[b"HEIGHT"], sides[b"WIDTH"]) if len(sides) == 2 else None


def _hdr(content: bytes) -> Size | None:
    found = _HDR.search(content[:TEXT_HEADER])
    return (int(found[1]), int(found[2])) if found else None


def _sun(content: bytes) -> Size:
    width, height = struct.unpack_from(">II", content, 4)
    return height, width


def _jpeg2000(content: bytes) -> Size | None:
    """Return the size in the codestream; the box around it may state another one."""
    areas = (struct.unpack_from(">IIII", content, start + 8) for start in _positions(content, JPEG2000_START))
    return _largest((max(bottom - top, 0), max(right - left, 0)) for right, bottom, left, top in areas)


def _avif(content: bytes) -> Size | None:
    """Return the size of the largest image in the file; tiles, alpha planes and thumbnails are images too."""
    sizes = (struct.unpack_from(">II", content, start + 8) for start in _positions(content, b"ispe"))
    return _largest((height, width) for width, height in sizes)


def _positions(content: bytes, mark: bytes) -> Iterator[int]:
    start = content.find(mark)
    while start >= 0:
        yield start
        start = content.find(mark, start + 1)


def _largest(sizes: Iterator[Size]) -> Size | None:
    found = list(islice(sizes, MAX_IMAGES + 1))
    return max(found, key=lambda size: size[0] * size[1], default=None) if len(found) <= MAX_IMAGES else None


def starts_with(*marks: bytes) -> Callable[[bytes], bool]:
    """Return a function that says whether bytes start with one of these."""
    return lambda content: content.startswith(marks)


def is_isobmff(content: bytes) -> bool:
    """Return whether these bytes begin an ISO base media file: AVIF, HEIC or a video."""
    return content[4:8] == b"ftyp"


is_bmp = starts_with(b"BM")
is_gif = starts_with(b"GIF8")
is_hdr = starts_with(b"#?RADIANCE", b"#?RGBE")
is_jpeg2000 = starts_with(JPEG2000_START, b"\0\0\0\x0cjP  ")
is_pam = starts_with(b"P7")
is_tiff = starts_with(*TIFF_STARTS, b"II+\0", b"MM\0+")

_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Size | None]], ...] = (
    (starts_with(JPEG_START), _jpeg),
    (starts_with(PNG_START), _png),
    (is_bmp, _bmp),
    (is_webp, _webp),
    (is_tiff, _tiff),
    (starts_with(*(b"P%c" % kind for kind in b"123456fF")), _pnm),
    (is_pam, _pam),
    (is_gif, _gif),
    (is_jpeg2000, _jpeg2000),
    (is_isobmff, _avif),
    (is_hdr, _hdr),
    (starts_with(b"\x59\xa6\x6a\x95"), _sun),
)
