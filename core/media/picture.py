"""Decode images, and find the size of an image without decoding it. Heavy: imports OpenCV and NumPy."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.files.regular_file import open_regular, read_regular
from core.media.header import jpeg_frame, stored_size
from core.media.native_output import captured, damage_in
from core.media.optional_formats import decode_heif, is_heif, missing_part
from core.media.segments import JPEG_START, PNG_START, SIDEWAYS, UPRIGHT, orientation, png_chunks
from core.media.tolerance import MAX_PIXELS, largest_file, too_many_pixels

JPEG_SCAN, JPEG_END = b"\xff\xda", b"\xff\xd9"
PNG_END = b"IEND"
FIRST_READ = 1 << 16
"""Bytes of a file in which its size is searched first; a JPEG with a large preview needs more."""


class UnreadableError(ValueError):
    """The file is not a complete image; the message says why."""


class TruncatedError(UnreadableError):
    """The file starts as an image but ends too early."""


def read_picture(path: Path, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Read an image as uint8 BGR [H, W, 3], with its EXIF orientation applied.

    Grayscale becomes three equal channels, alpha is dropped, 16 bits become 8.

    Args:
        path: The file.
        max_pixels: Maximum width x height, checked in the header before decoding.

    Raises:
        UnreadableError: The file is missing, not a regular file, empty, truncated, too damaged or too large.
    """
    return read_checked(path, max_pixels)[0]


def read_checked(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[NDArray[np.uint8], str]:
    """Read an image as :func:`read_picture` does.

    Returns:
        The image, and the damage that the decoder reported, empty for none.

    Raises:
        UnreadableError: As :func:`read_picture`.
    """
    return decode_checked(read_content(path, max_pixels), max_pixels)


def read_content(path: Path, max_pixels: int = MAX_PIXELS) -> bytes:
    """Return the bytes of an image file, undecoded.

    Raises:
        UnreadableError: The file is missing, not a regular file, not readable, or too large for ``max_pixels``.
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
    """Return whether the end marker is missing; decoders would fill the rest of the image with gray.

    A scan of a JPEG contains no markers, so an end marker before the last scan belongs to a thumbnail.
    """
    if content.startswith(JPEG_START):
        return content.rfind(JPEG_END) < content.rfind(JPEG_SCAN)
    if content.startswith(PNG_START):
        return PNG_END not in content[-4096:] and PNG_END not in content
    return False


def _has_overlong_chunk(content: bytes) -> bool:
    """Return whether a PNG chunk extends beyond the end of the file; OpenCV allocates the size that a chunk states."""
    return content.startswith(PNG_START) and any(start + size > len(content) for _, start, size in png_chunks(content))


def _decode(content: bytes) -> NDArray[np.uint8] | str | None:
    """Return the image, why it cannot be decoded, or None if OpenCV gives no reason."""
    if is_heif(content):
        return decode_heif(content)
    try:
        image: NDArray[np.uint8] | None = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        return missing_part(content) or f"OpenCV cannot decode it ({error.err or error})"
    return image if image is not None else missing_part(content) or None


def picture_size(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Return height and width in pixels of the image that :func:`read_picture` returns.

    JPEG and PNG files are not decoded, unless their headers are unusual; other formats are.

    Raises:
        UnreadableError: The file is missing, not an image, or larger than ``max_pixels``.
    """
    try:
        with open_regular(path, largest_file(max_pixels)) as file:
            content = file.read(FIRST_READ)
            size = _size(content) or _size(content + file.read())
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error
    if size is None:
        height, width = read_picture(path, max_pixels).shape[:2]
        return height, width
    if reason := too_many_pixels(size, max_pixels):
        raise UnreadableError(reason)
    return size


def stored_orientation(path: Path, max_pixels: int = MAX_PIXELS) -> int:
    """Return the EXIF orientation of an image file, 1 to 8; 1 is upright.

    Raises:
        UnreadableError: As :func:`read_content`.
    """
    return orientation(read_content(path, max_pixels))


def _size(content: bytes) -> tuple[int, int] | None:
    """Return the size after rotation, None if these bytes do not determine it."""
    size = stored_size(content)
    if size is None:
        return None
    if content.startswith(JPEG_START):
        return size[::-1] if _is_sideways(content) else size
    if content.startswith(PNG_START):
        return size if _is_upright(content) else None
    return None


def _is_sideways(content: bytes) -> bool:
    """Return whether EXIF data before the size rotates a JPEG by 90 degrees."""
    return orientation(content[: jpeg_frame(content)]) in SIDEWAYS


def _is_upright(content: bytes) -> bool:
    """Return whether a PNG is complete, as EXIF data may come last, and not rotated."""
    return PNG_END in content[-16:] and orientation(content) == UPRIGHT
