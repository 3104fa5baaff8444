"""Height and width of an image from the bytes of its header, before anything is decoded.

It knows every format that OpenCV decodes in its wheels, by content and not by suffix: what it does not know is not
decoded at all, so that no file can ask for more memory than its header was checked for. Sizes are as stored; EXIF may
turn them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from itertools import islice

Size = tuple[int, int]
"""Height and width in pixels."""

JPEG_START, PNG_START, JPEG2000_START = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"\xff\x4f\xff\x51"
STANDALONE = {0x01, *range(0xD0, 0xD9)}
"""JPEG markers without a length."""
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers whose segment holds the size (SOF0 to SOF15)."""
SCAN = 0xDA
TIFF_SIDES = {256: 0, 257: 1, 322: 0, 323: 1}
"""TIFF tags of width and height, of the image and of a tile: a decoder has memory for one tile at least."""
TIFF_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}
MAX_PARTS = 1 << 16
"""Segments before the image data of a JPEG, and images in one file: no camera writes a thousand."""
HEAD = 1 << 12
"""Bytes in which a header of text must end."""
_PNM = re.compile(rb"P[1-6fF](?:\s|#[^\n]*\n)+(\d{1,10})(?:\s|#[^\n]*\n)+(\d{1,10})\s")
_PAM = re.compile(rb"^(WIDTH|HEIGHT)\s+(\d{1,10})\s*\n", re.MULTILINE)
_HDR = re.compile(rb"^-Y (\d{1,10}) \+X (\d{1,10})\n", re.MULTILINE)


def stored_size(content: bytes) -> Size | None:
    """Return height and width as the header says.

    Args:
        content: The file, or as much of its start as holds the header.

    Returns:
        None where the bytes are of an unknown format, or where they end before the size.
    """
    try:
        size = next((read(content) for begins, read in _FORMATS if begins(content)), None)
    except (struct.error, IndexError, ValueError):
        return None
    return size if size and min(size) > 0 else None


def jpeg_frame(content: bytes) -> int | None:
    """Return where the segment with the size of a JPEG begins; None where there is none before the image data.

    Raises:
        IndexError, ValueError, struct.error: The bytes end before.
    """
    position = len(JPEG_START)
    for _ in range(MAX_PARTS):
        # As libjpeg does: bytes between two segments are passed over, and 0xFF may be repeated.
        position = content.index(b"\xff", position) if content[position] != 0xFF else position
        marker = content[position + 1]
        if marker in FRAMES:
            return position
        if marker == SCAN:
            return None
        if marker in {0x00, 0xFF}:
            position += 1
        elif marker in STANDALONE:
            position += 2
        else:
            position += 2 + int(struct.unpack_from(">H", content, position + 2)[0])
    return None


def _jpeg(content: bytes) -> Size | None:
    frame = jpeg_frame(content)
    return None if frame is None else struct.unpack_from(">HH", content, frame + 5)


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
    for tag, value in _tiff_tags(content, "<" if content.startswith(b"II") else ">"):
        if tag in TIFF_SIDES:
            side = TIFF_SIDES[tag]
            sides[side] = max(sides[side], value)
    return sides[1], sides[0]


def _tiff_tags(content: bytes, order: str) -> Iterator[tuple[int, int]]:
    """Tag and value of each entry of the first image that is a single whole number."""
    big = struct.unpack_from(f"{order}H", content, 2)[0] == 43
    start = struct.unpack_from(f"{order}Q", content, 8)[0] if big else struct.unpack_from(f"{order}I", content, 4)[0]
    size = struct.unpack_from(f"{order}{'Q' if big else 'H'}", content, start)[0]
    first, length, offset = (start + 8, 20, 12) if big else (start + 2, 12, 8)
    for number in range(min(size, (len(content) - first) // length)):
        tag, kind = struct.unpack_from(f"{order}HH", content, first + number * length)
        if kind in TIFF_INTEGERS:
            (value,) = struct.unpack_from(f"{order}{TIFF_INTEGERS[kind]}", content, first + number * length + offset)
            yield tag, value


def _pnm(content: bytes) -> Size | None:
    found = _PNM.match(content[:HEAD])
    return (int(found[2]), int(found[1])) if found else None


def _pam(content: bytes) -> Size | None:
    sides = {name: int(value) for name, value in _PAM.findall(content[:HEAD])}
    return (sides[b"HEIGHT"], sides[b"WIDTH"]) if len(sides) == 2 else None


def _hdr(content: bytes) -> Size | None:
    found = _HDR.search(content[:HEAD])
    return (int(found[1]), int(found[2])) if found else None


def _sun(content: bytes) -> Size:
    width, height = struct.unpack_from(">II", content, 4)
    return height, width


def _jpeg2000(content: bytes) -> Size | None:
    """Of the codestream, and not of the box around it, which may say otherwise."""
    areas = (struct.unpack_from(">IIII", content, start + 8) for start in _places(content, JPEG2000_START))
    return _largest((max(bottom - top, 0), max(right - left, 0)) for right, bottom, left, top in areas)


def _avif(content: bytes) -> Size | None:
    """The largest of the images in the file: tiles, alpha planes and thumbnails are images too."""
    sizes = (struct.unpack_from(">II", content, start + 8) for start in _places(content, b"ispe"))
    return _largest((height, width) for width, height in sizes)


def _places(content: bytes, mark: bytes) -> Iterator[int]:
    start = content.find(mark)
    while start >= 0:
        yield start
        start = content.find(mark, start + 1)


def _largest(sizes: Iterator[Size]) -> Size | None:
    found = list(islice(sizes, MAX_PARTS + 1))
    return max(found, key=lambda size: size[0] * size[1], default=None) if len(found) <= MAX_PARTS else None


def _starts(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda content: content.startswith(marks)


_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Size | None]], ...] = (
    (_starts(JPEG_START), _jpeg),
    (_starts(PNG_START), _png),
    (_starts(b"BM"), _bmp),
    (lambda content: content[:4] == b"RIFF" and content[8:12] == b"WEBP", _webp),
    (_starts(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
    (_starts(*(b"P%c" % kind for kind in b"123456fF")), _pnm),
    (_starts(b"P7"), _pam),
    (_starts(b"GIF8"), _gif),
    (_starts(JPEG2000_START, b"\0\0\0\x0cjP  "), _jpeg2000),
    (lambda content: content[4:8] == b"ftyp", _avif),
    (_starts(b"#?RADIANCE", b"#?RGBE"), _hdr),
    (_starts(b"\x59\xa6\x6a\x95"), _sun),
)
