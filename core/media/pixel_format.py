"""What the header of an image says about its pixels: bits per channel and an alpha channel, without decoding."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from core.media.header import (
    JPEG2000_START,
    TEXT_HEADER,
    is_gif,
    is_hdr,
    is_isobmff,
    is_jpeg2000,
    is_pam,
    is_tiff,
    starts_with,
    tiff_entries,
)
from core.media.segments import JPEG_START, PNG_START, is_webp, png_chunks

BYTE = 8
_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLES, _TIFF_EXTRA = 258, 262, 277, 338
_TIFF_RGB = 2
_ASSOCIATED, _UNASSOCIATED = 1, 2
"""TIFF's ExtraSamples: colours are multiplied by alpha, or not. Without it they are taken as not multiplied."""
_PNG_ALPHA = frozenset({4, 6})
_VP8X_ALPHA, _VP8L_ALPHA = 0x10, 1 << 28
_PNM_MAXIMUM = re.compile(rb"P[2356](?:(?:\s|#[^\n]*\n)+\d{1,10}){2}(?:\s|#[^\n]*\n)+(\d{1,10})\s")
_PAM_HEADER = re.compile(rb"^(DEPTH|MAXVAL)\s+(\d{1,10})\s*\n", re.MULTILINE)


@dataclass(frozen=True)
class PixelFormat:
    """Format of the pixels of an image file.

    Attributes:
        bits: Bits per channel.
        alpha: The file may have an alpha channel that OpenCV decodes.
        hidden_alpha: The file has an alpha channel that OpenCV does not decode.
        premultiplied: Decoded colours are multiplied by alpha.
        white: The largest value, if the file states one that is not that of its type; else 0.
        pixel_bytes: Bytes of a decoded pixel.
        unchanged: OpenCV decodes it without loss only with ``IMREAD_UNCHANGED``, which ignores the orientation of
            formats other than TIFF.
    """

    bits: int = BYTE
    alpha: bool = False
    hidden_alpha: bool = False
    premultiplied: bool = False
    white: float = 0
    pixel_bytes: int = 8
    unchanged: bool = False

    @property
    def deep(self) -> bool:
        """Whether a channel has more than 8 bits."""
        return self.bits > BYTE


PLAIN = PixelFormat()
"""8 bits per channel, without alpha."""


def pixel_format(content: bytes) -> PixelFormat:
    """Return the format of the pixels; :data:`PLAIN` if the header does not state another."""
    if content.startswith(JPEG_START):
        return PLAIN
    if fixed := next((form for begins, form in _FIXED if begins(content)), None):
        return fixed
    try:
        return next((read(content) for begins, read in _FORMATS if begins(content)), PLAIN)
    except (struct.error, IndexError, ValueError):
        return PLAIN


def _png(content: bytes) -> PixelFormat:
    bits, colour = content[24], content[25]
    alpha = colour in _PNG_ALPHA or _transparent_value(content) is not None
    return PixelFormat(bits=max(bits, BYTE), alpha=alpha, unchanged=alpha)


def transparent_gray(content: bytes) -> int | None:
    """Return the value of the transparent pixels of a decoded grayscale PNG; None if there is none."""
    if not content.startswith(PNG_START) or content[25] != 0:
        return None
    chunk = _transparent_value(content)
    if chunk is None or len(chunk) < 2:
        return None
    bits, value = content[24], int.from_bytes(chunk[:2], "big")
    return value if bits >= BYTE else value * 255 // (2**bits - 1)


def _transparent_value(content: bytes) -> bytes | None:
    """Return the chunk tRNS of a PNG, which precedes the image data."""
    for name, start, size in png_chunks(content):
        if name == b"tRNS":
            return content[start : start + size]
        if name == b"IDAT":
            break
    return None


def _webp(content: bytes) -> PixelFormat:
    kind = content[12:16]
    alpha = (kind == b"VP8X" and bool(content[20] & _VP8X_ALPHA)) or (
        kind == b"VP8L" and bool(int.from_bytes(content[21:25], "little") & _VP8L_ALPHA)
    )
    return PixelFormat(alpha=alpha, unchanged=alpha)


def _tiff(content: bytes) -> PixelFormat:
    found: dict[int, int] = {}
    for entry in tiff_entries(content):
        if entry.tag in {_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLES, _TIFF_EXTRA}:
            found[entry.tag] = max(entry.first(content), found.get(entry.tag, 0))
    bits, samples = found.get(_TIFF_BITS, 1), found.get(_TIFF_SAMPLES, 1)
    alpha = samples == 4 and found.get(_TIFF_PHOTOMETRIC) == _TIFF_RGB
    extra = found.get(_TIFF_EXTRA, 0)
    return PixelFormat(
        bits=max(bits, BYTE),
        alpha=alpha,
        hidden_alpha=samples == 2,
        # For 8 bits, OpenCV uses libtiff's conversion to RGBA, which multiplies unassociated alpha.
        premultiplied=extra == _ASSOCIATED or (extra == _UNASSOCIATED and bits <= BYTE),
        pixel_bytes=max(samples, 1) * -(-bits // BYTE),
        unchanged=alpha or bits > BYTE,
    )


def _pnm(content: bytes) -> PixelFormat:
    found = _PNM_MAXIMUM.match(content[:TEXT_HEADER])
    return _of_maximum(int(found[1])) if found else PLAIN


def _pam(content: bytes) -> PixelFormat:
    values = {name: int(value) for name, value in _PAM_HEADER.findall(content[:TEXT_HEADER])}
    return _of_maximum(values[b"MAXVAL"], hidden_alpha=values[b"DEPTH"] in {2, 4}) if len(values) == 2 else PLAIN


def _of_maximum(maximum: int, *, hidden_alpha: bool = False) -> PixelFormat:
    if maximum <= 255:
        return PixelFormat(hidden_alpha=hidden_alpha)
    return PixelFormat(bits=16, hidden_alpha=hidden_alpha, white=maximum if maximum < 65535 else 0)


def _jpeg2000(content: bytes) -> PixelFormat:
    start = content.index(JPEG2000_START)
    channels, precision = struct.unpack_from(">HB", content, start + 40)
    alpha = channels == 4
    return _of_bits((precision & 0x7F) + 1, alpha=alpha, hidden_alpha=channels == 2)


def _avif(content: bytes) -> PixelFormat:
    flags = content[content.index(b"av1C") + 6]
    bits = (12 if flags & 0x20 else 10) if flags & 0x40 else BYTE
    return _of_bits(bits, alpha=b":auxiliary:alpha" in content, hidden_alpha=False)


def _of_bits(bits: int, *, alpha: bool, hidden_alpha: bool) -> PixelFormat:
    white = 2**bits - 1 if BYTE < bits < 16 else 0
    return PixelFormat(bits=max(bits, BYTE), alpha=alpha, hidden_alpha=hidden_alpha, white=white, unchanged=alpha)


_FIXED: tuple[tuple[Callable[[bytes], bool], PixelFormat], ...] = (
    (is_gif, PixelFormat(alpha=True, unchanged=True)),
    (starts_with(b"Pf", b"PF"), PixelFormat(bits=32, pixel_bytes=12)),
    (is_hdr, PixelFormat(bits=32, pixel_bytes=12, white=1)),
)
"""Formats with one kind of pixels."""
_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], PixelFormat]], ...] = (
    (starts_with(PNG_START), _png),
    (is_webp, _webp),
    (is_tiff, _tiff),
    (starts_with(*(b"P%c" % kind for kind in b"2356")), _pnm),
    (is_pam, _pam),
    (is_jpeg2000, _jpeg2000),
    (is_isobmff, _avif),
)
