"""Height and width of a picture file, from its header where that is enough. Heavy: imports OpenCV."""

from __future__ import annotations

from pathlib import Path

from core.media.exif import UPRIGHT, orientation
from core.media.header import JPEG_START, PNG_START, jpeg_frame, stored_size
from core.media.limits import MAX_PIXELS, largest_file, too_many_pixels
from core.media.picture import UnreadableError, read_picture
from core.regular_file import open_regular

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
