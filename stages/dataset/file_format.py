"""Format and channel layout of an image file, from its first bytes and not from its suffix."""

from __future__ import annotations

import struct
from pathlib import Path

from core.media.header import is_bmp, is_gif, is_jpeg2000, is_tiff, jpeg_frame, tiff_entries
from core.media.pixel_format import pixel_format
from core.media.segments import JPEG_START, PNG_START, is_webp, jpeg_segments

SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png",),
    "BMP": (".bmp", ".dib"),
    "WebP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "Netpbm": (".pbm", ".pgm", ".ppm", ".pnm"),
    "GIF": (".gif",),
    "JPEG 2000": (".jp2", ".j2k"),
    "AVIF": (".avif",),
}
"""Format -> suffixes of its files, in lower case."""
_FORMATS = {suffix: name for name, suffixes in SUFFIXES.items() for suffix in suffixes}
_ADOBE = 0xEE
_YCCK = 2
"""Color transform of an Adobe segment."""
_PNG_LAYOUTS = {0: "grayscale", 3: "palette", 4: "grayscale with alpha", 6: "RGBA"}
_TIFF_SAMPLES, _TIFF_COLORS = 277, 262
_TIFF_PALETTE, _TIFF_CMYK = 3, 5
_WITH_ALPHA = {1: "grayscale", 2: "grayscale with alpha", 4: "RGBA"}


def format_of(content: bytes) -> str:
    """Return the format of a file, a key of :data:`SUFFIXES`; empty for another one."""
    starts = {
        "JPEG": content.startswith(JPEG_START),
        "PNG": content.startswith(PNG_START),
        "BMP": is_bmp(content),
        "WebP": is_webp(content),
        "TIFF": is_tiff(content),
        "Netpbm": content[:1] == b"P" and content[1:2] in {b"1", b"2", b"3", b"4", b"5", b"6"},
        "GIF": is_gif(content),
        "JPEG 2000": is_jpeg2000(content),
        "AVIF": content[4:12] == b"ftypavif",
    }
    return next((name for name, begins in starts.items() if begins), "")


def is_misnamed(path: Path, form: str) -> bool:
    """Return whether the suffix of a file is that of another format than ``form``."""
    named = _FORMATS.get(path.suffix.lower())
    return bool(form and named and named != form)


def layout_of(content: bytes) -> str:
    """Return the channel layout of a file, e.g. ``CMYK``; empty for three channels, and if it is unknown."""
    reader = {"JPEG": _jpeg, "PNG": _png, "BMP": _bmp, "WebP": _webp, "TIFF": _tiff, "Netpbm": _netpbm}.get(
        format_of(content)
    )
    try:
        return reader(content) if reader else ""
    except (struct.error, IndexError, ValueError):
        return ""


def _jpeg(content: bytes) -> str:
    frame = jpeg_frame(content)
    channels = content[frame + 5] if frame is not None else 3
    if channels == 4:
        adobe = (content[start : start + size] for marker, start, size in jpeg_segments(content) if marker == _ADOBE)
        transform = next((data[11] for data in adobe if data.startswith(b"Adobe") and len(data) > 11), 0)
        return "YCCK" if transform == _YCCK else "CMYK"
    return {1: "grayscale", 3: ""}.get(channels, f"{channels} channels")


def _png(content: bytes) -> str:
    return _PNG_LAYOUTS.get(content[25], "")


def _bmp(content: bytes) -> str:
    header, bits = struct.unpack_from("<I", content, 14)[0], 0
    if header >= 40:
        bits = struct.unpack_from("<H", content, 28)[0]
    return "palette" if 0 < bits <= 8 else ""


def _webp(content: bytes) -> str:
    return "RGBA" if pixel_format(content).alpha else ""


def _tiff(content: bytes) -> str:
    tags = {entry.tag: entry.inline(content) for entry in tiff_entries(content)}
    if tags.get(_TIFF_COLORS) in {_TIFF_PALETTE, _TIFF_CMYK}:
        return "palette" if tags[_TIFF_COLORS] == _TIFF_PALETTE else "CMYK"
    channels = tags.get(_TIFF_SAMPLES, 1)
    return "" if channels == 3 else _WITH_ALPHA.get(channels, f"{channels} channels")


def _netpbm(content: bytes) -> str:
    return {b"1": "bilevel", b"4": "bilevel", b"2": "grayscale", b"5": "grayscale"}.get(content[1:2], "")
