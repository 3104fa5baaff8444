"""Decode images; sizes of images without decoding them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.files.regular_file import open_regular, read_regular
from core.media.exif import UPRIGHT, orientation, png_chunks
from core.media.header import JPEG_START, PNG_START, jpeg_frame, stored_size
from core.media.native_output import captured, damage_in
from core.media.tolerance import MAX_PIXELS, largest_file, too_many_pixels

JPEG_SCAN, JPEG_END = b"\xff\xda", b"\xff\xd9"
PNG_END = b"IEND"


class UnreadableError(ValueError):
    """The file is not a whole image; the message says why."""


class TruncatedError(UnreadableError):
    """The file begins as an image and ends too early."""


def read_picture(path: Path, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Read an image as uint8 BGR [H, W, 3], turned as its EXIF orientation says.

    Grey becomes three equal channels, alpha is dropped, 16 bits become 8.

    Args:
        path: The file.
        max_pixels: Maximum width x height; the header is checked before anything is decoded.

    Raises:
        UnreadableError: Missing, not a regular file, empty, truncated, too damaged, or too large.
    """
    return read_checked(path, max_pixels)[0]


def read_checked(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[NDArray[np.uint8], str]:
    """Read an image as :func:`read_picture` does.

    Returns:
        The image, and why it is damaged though it could be decoded; empty where the library reported nothing.

    Raises:
        UnreadableError: As :func:`read_picture`.
    """
    return decode_checked(read_content(path, max_pixels), max_pixels)


def read_content(path: Path, max_pixels: int = MAX_PIXELS) -> bytes:
    """Return the bytes of an image file, undecoded.

    Raises:
        UnreadableError: Missing, not a regular file, not readable, or larger than an image of ``max_pixels`` can be.
    """
    try:
        return read_regular(path, largest_file(max_pixels))
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error


def decode_checked(content: bytes, max_pixels: int = MAX_PIXELS) -> tuple[NDArray[np.uint8], str]:
    """Decode the bytes of a file as :func:`read_checked` does.

    Raises:
        UnreadableError: As :func:`read_picture`.
    """
    if not content:
        raise UnreadableError("the file is empty")
    if _truncated(content):
        raise TruncatedError("the file is truncated")
    size = stored_size(content)
    if size is None:
        raise UnreadableError("not an image, or damaged")
    if _has_overlong_chunk(content):
        raise UnreadableError("not an image, or damaged (a chunk is longer than the file)")
    if reason := too_many_pixels(size, max_pixels):
        raise UnreadableError(reason)
    decoded, lines = captured(lambda: _decode(content))
    damage = damage_in(lines)
    if isinstance(decoded, str):
        raise UnreadableError(decoded)
    if decoded is None:
        raise UnreadableError("not an image, or damaged" + (f" ({damage})" if damage else ""))
    if decoded.dtype != np.uint8:
        raise UnreadableError(f"values of type {decoded.dtype} are not supported")
    return decoded, damage


def _truncated(content: bytes) -> bool:
    """Whether the end mark is missing; decoders would fill the rest of the image with grey.

    In a JPEG no mark can occur inside a scan, so an end mark before the last scan is a thumbnail's.
    """
    if content.startswith(JPEG_START):
        return content.rfind(JPEG_END) < content.rfind(JPEG_SCAN)
    if content.startswith(PNG_START):
        return PNG_END not in content[-4096:] and PNG_END not in content
    return False


def _has_overlong_chunk(content: bytes) -> bool:
    """Whether a chunk of a PNG reaches beyond the end of the file: OpenCV reserves as much memory as a chunk says."""
    return content.startswith(PNG_START) and any(start + size > len(content) for _, start, size in png_chunks(content))


def _decode(content: bytes) -> NDArray[np.uint8] | str | None:
    """Return the image, the words of OpenCV's error, or None where it does not say why."""
    try:
        picture: NDArray[np.uint8] | None = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        return f"OpenCV cannot decode it ({error.err or error})"
    return picture


HEAD = 1 << 16
"""Bytes that are read of a JPEG at first; a large preview in front of the size needs more."""
LYING = {5, 6, 7, 8}
"""EXIF orientations that swap height and width."""


def picture_size(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Height and width in pixels as :func:`~core.media.picture.read_picture` would give them.

    JPEG and PNG are not decoded; whatever else, or has a header that is out of the ordinary, is.

    Raises:
        UnreadableError: Not there, not an image, or larger than ``max_pixels``.
    """
    try:
        with open_regular(path, largest_file(max_pixels)) as file:
            content = file.read(HEAD)
            size = _size(content) or _size(content + file.read())
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error
    if size is None:
        height, width = read_picture(path, max_pixels).shape[:2]
        return height, width
    if reason := too_many_pixels(size, max_pixels):
        raise UnreadableError(reason)
    return size


def _size(content: bytes) -> tuple[int, int] | None:
    """None where these bytes do not tell."""
    size = stored_size(content)
    if size is None:
        return None
    if content.startswith(JPEG_START):
        return size[::-1] if _lies(content) else size
    if content.startswith(PNG_START):
        return size if _is_upright(content) else None
    return None


def _lies(content: bytes) -> bool:
    """Whether EXIF data in front of the size turn a JPEG by a quarter."""
    return orientation(content[: jpeg_frame(content)]) in LYING


def _is_upright(content: bytes) -> bool:
    """False for a PNG that is cut off, as EXIF data may stand at its end, and where those turn it."""
    return b"IEND" in content[-16:] and orientation(content) == UPRIGHT
