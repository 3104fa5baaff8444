"""Image formats that need the package pillow-heif, or a part that not every OpenCV has. Heavy: imports OpenCV."""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import one_line
from core.media.header import is_gif, is_isobmff, is_jpeg2000, is_tiff
from core.media.segments import is_webp
from core.media.suffixes import INSTALL_HEIF

HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})
MAX_BRANDS = 64
"""Number of brands of a file that are compared."""


def brands(content: bytes) -> frozenset[bytes]:
    """Return the brands in the header of an ISO base media file; none for other files."""
    if not is_isobmff(content):
        return frozenset()
    end = min(int.from_bytes(content[:4], "big"), 16 + 4 * MAX_BRANDS)
    compatible = (content[start : start + 4] for start in range(16, end, 4))
    return frozenset([content[8:12], *compatible])


def is_avif(content: bytes) -> bool:
    """Return whether these bytes begin an AVIF file."""
    return bool(brands(content) & AVIF_BRANDS)


def is_heif(content: bytes) -> bool:
    """Return whether these bytes begin an image in HEIC, which OpenCV does not decode."""
    return bool(brands(content) & HEIF_BRANDS) and not is_avif(content)


def decode_heif(content: bytes) -> NDArray[np.uint8] | str:
    """Return a HEIC image as OpenCV would: uint8 [H, W, 3] with channels B, G, R, turned as the file says; or why not.

    More than 8 bits become 8, alpha is dropped.
    """
    try:
        import pillow_heif
    except ImportError as error:
        installed = not isinstance(error, ModuleNotFoundError) or error.name != "pillow_heif"
        return f"pillow-heif cannot be imported ({error})" if installed else f"it is HEIC; {INSTALL_HEIF}"
    try:
        file = pillow_heif.open_heif(io.BytesIO(content), convert_hdr_to_8bit=True, bgr_mode=True)
        if not len(file):
            return "pillow-heif finds no image in it"
        image = np.asarray(file)
    except (ValueError, EOFError, SyntaxError, RuntimeError, OSError) as error:  # the documented ones
        return f"pillow-heif cannot decode it ({one_line(str(error))})"
    if image.dtype != np.uint8:  # monochrome images are not converted
        image = np.asarray(image >> 8, np.uint8)
    if image.ndim == 2:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    return np.ascontiguousarray(image[:, :, :3])


_OPTIONAL = (
    (is_gif, ".gif", "GIF"),
    (is_jpeg2000, ".jp2", "JPEG 2000"),
    (is_tiff, ".tif", "TIFF"),
    (is_webp, ".webp", "WebP"),
    (is_avif, ".avif", "AVIF"),
)
"""Test, suffix and name of the formats that a build of OpenCV can lack."""


def missing_part(content: bytes) -> str:
    """Return that the installed OpenCV was built without the format of these bytes; empty if it was not.

    OpenCV builds reader and writer of these formats together, and it looks for a writer without a file.
    """
    for begins, suffix, name in _OPTIONAL:
        if begins(content) and not cv2.haveImageWriter(suffix):
            return f"the installed OpenCV {cv2.__version__} was built without {name}"
    return ""
