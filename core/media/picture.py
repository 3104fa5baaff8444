"""Picture files to uint8 BGR arrays. Heavy: imports OpenCV."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
PNG_START, PNG_END = b"\x89PNG", b"IEND"


class UnreadableError(Exception):
    """The file is not a whole picture; the message says why."""


class TruncatedError(UnreadableError):
    """The file begins as a picture and ends too early."""


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a picture as uint8 BGR [H, W, 3], turned as its EXIF orientation says.

    Grey becomes three equal channels, alpha is dropped, 16 bits become 8.

    Raises:
        UnreadableError: Not there, empty, truncated, damaged, or larger than OpenCV reads.
    """
    return decode_picture(read_content(path))


def read_checked(path: Path) -> tuple[NDArray[np.uint8], str]:
    """Read an image as :func:`read_picture` does, and what is damaged in it, empty for nothing.

    Raises:
        UnreadableError: As :func:`read_picture`.
    """
    return read_picture(path), ""


def read_content(path: Path) -> bytes:
    """The bytes of a picture file, undecoded.

    Raises:
        UnreadableError: Not there, or may not be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error


def decode_picture(content: bytes) -> NDArray[np.uint8]:
    """As :func:`read_picture`, for the bytes of the file.

    Raises:
        UnreadableError: Empty, truncated, damaged, or larger than OpenCV reads.
    """
    if not content:
        raise UnreadableError("the file is empty")
    if _truncated(content):
        raise TruncatedError("the file is truncated")
    return _decode(content)


def _truncated(content: bytes) -> bool:
    """Whether the end mark is missing; decoders would fill the rest of the picture with grey.

    In a JPEG no mark can occur inside a scan, so an end mark before the last scan is a thumbnail's.
    """
    if content.startswith(JPEG_START):
        return content.rfind(JPEG_END) < content.rfind(JPEG_SCAN)
    if content.startswith(PNG_START):
        return PNG_END not in content[-4096:] and PNG_END not in content
    return False


def _decode(content: bytes) -> NDArray[np.uint8]:
    try:
        picture: NDArray[np.uint8] | None = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UnreadableError(f"OpenCV cannot decode it ({error.err or error})") from error
    if picture is None:
        raise UnreadableError("not a picture, or damaged")
    if picture.dtype != np.uint8:
        raise UnreadableError(f"values of type {picture.dtype} are not supported")
    return picture
