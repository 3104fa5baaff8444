"""Decode images, and find the size of an image without decoding it. Heavy: imports OpenCV and NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.files.regular_file import open_regular, read_regular
from core.media.choices import AUTO_DEPTH, MAX_PIXELS, Depth
from core.media.header import jpeg_frame, stored_size
from core.media.native_output import captured, damage_in
from core.media.optional_formats import decode_heif, is_heif, missing_part
from core.media.pixel_format import PLAIN, PixelFormat, pixel_format
from core.media.pixel_notes import Alpha, DepthRange
from core.media.pixels import eight_bit_bgr
from core.media.segments import JPEG_START, PNG_START, SIDEWAYS, UPRIGHT, orientation, png_chunks
from core.media.tolerance import largest_file, too_many_bytes, too_many_pixels

JPEG_SCAN, JPEG_END = b"\xff\xda", b"\xff\xd9"
PNG_END = b"IEND"
FIRST_READ = 1 << 16
"""Bytes of a file in which its size is searched first; a JPEG with a large preview needs more."""


class UnreadableError(ValueError):
    """The file is not a complete image; the message says why."""


class TruncatedError(UnreadableError):
    """The file starts as an image but ends too early."""


@dataclass(frozen=True)
class DecodedImage:
    """A decoded image.

    Attributes:
        pixels: uint8 BGR [H, W, 3], with its EXIF orientation applied.
        damage: The damage that the decoder reported, empty for none.
        depth: Range of the values in the file if it has more than 8 bits per channel.
        alpha: What became of the alpha channel.
    """

    pixels: NDArray[np.uint8]
    damage: str = ""
    depth: DepthRange | None = None
    alpha: Alpha = ""


def read_picture(path: Path, max_pixels: int = MAX_PIXELS, depth: Depth = AUTO_DEPTH) -> NDArray[np.uint8]:
    """Read an image as uint8 BGR [H, W, 3], with its EXIF orientation applied.

    Grayscale becomes three equal channels, alpha is composited on gray, more than 8 bits become 8.

    Args:
        path: The file.
        max_pixels: Maximum width x height, checked in the header before decoding.
        depth: The value that becomes 255 in images with more than 8 bits per channel.

    Raises:
        UnreadableError: The file is missing, not a regular file, empty, truncated, too damaged or too large.
    """
    return read_checked(path, max_pixels, depth).pixels


def read_checked(path: Path, max_pixels: int = MAX_PIXELS, depth: Depth = AUTO_DEPTH) -> DecodedImage:
    """Read an image as :func:`read_picture` does, with what there is to report about it.

    Raises:
        UnreadableError: As :func:`read_picture`.
    """
    return decode_checked(read_content(path, max_pixels), max_pixels, depth)


def read_content(path: Path, max_pixels: int = MAX_PIXELS) -> bytes:
    """Return the bytes of an image file, undecoded.

    Raises:
        UnreadableError: The file is missing, not a regular file, not readable, or too large for ``max_pixels``.
    """
    try:
        return read_regular(path, largest_file(max_pixels))
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error


def decode_checked(content: bytes, max_pixels: int = MAX_PIXELS, depth: Depth = AUTO_DEPTH) -> DecodedImage:
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
    form = PLAIN if is_heif(content) else pixel_format(content)
    if reason := too_many_bytes(size, form.pixel_bytes, max_pixels):
        raise UnreadableError(reason)
    decoded, lines = captured(lambda: _decode(content, _flags(form)))
    damage = damage_in(lines)
    if isinstance(decoded, str):
        raise UnreadableError(decoded)
    if decoded is None:
        raise UnreadableError("not an image, or damaged" + (f" ({damage})" if damage else ""))
    if form is not PLAIN:
        if form.deep and decoded.dtype == np.uint8:
            damage = damage or f"OpenCV decodes only 8 of its {form.bits} bits per channel"
        pixels, values, alpha = eight_bit_bgr(decoded, content, form, depth)
        if pixels.shape[2:] != (3,):
            raise UnreadableError(f"images of shape {pixels.shape} are not supported")
        return DecodedImage(pixels, damage, values, alpha)
    if decoded.dtype != np.uint8:
        raise UnreadableError(f"values of type {decoded.dtype} are not supported")
    return DecodedImage(np.asarray(decoded, np.uint8), damage)


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


def _flags(form: PixelFormat) -> int:
    """Return how OpenCV decodes a file without loss; 8-bit BGR, and upright, where nothing is lost."""
    if form.unchanged:
        return cv2.IMREAD_UNCHANGED
    return cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH if form.deep else cv2.IMREAD_COLOR


def _decode(content: bytes, flags: int) -> NDArray[np.generic] | str | None:
    """Return the image, why it cannot be decoded, or None if OpenCV gives no reason."""
    if is_heif(content):
        return decode_heif(content)
    try:
        image: NDArray[np.generic] | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
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
