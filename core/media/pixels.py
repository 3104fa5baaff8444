"""Turn the decoded values of an image into 8-bit BGR: bit depth, alpha channel, orientation. Heavy: imports OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from core.media.choices import AUTO_DEPTH, FULL_DEPTH, Depth
from core.media.header import is_tiff
from core.media.pixel_format import PixelFormat, transparent_gray
from core.media.pixel_notes import BACKGROUND, Alpha, DepthRange
from core.media.segments import orientation

Values = NDArray[np.generic]
Bytes = NDArray[np.uint8]
MAXIMA = tuple(float(2**bits - 1) for bits in (8, 10, 12, 14, 16, 24, 32))
"""Largest values of the usual bit depths."""
OVERSHOOT = 2.0
"""Floats below this are taken as 0 to 1: filters overshoot 1, and other scales use more of their range."""
STRIP = 64
"""Rows that are scaled at once, for little memory."""


def eight_bit_bgr(
    decoded: Values, content: bytes, form: PixelFormat, depth: Depth
) -> tuple[Bytes, DepthRange | None, Alpha]:
    """Return an image as uint8 BGR [H, W, 3], the range of its values if it has more than 8 bits, and its alpha.

    Args:
        decoded: What OpenCV decoded: [H, W], or [H, W, 1, 3 or 4].
        content: The file.
        form: Its format.
        depth: The value that becomes 255.
    """
    colours, alpha = _split(decoded, content)
    found = None
    if colours.dtype != np.uint8:
        found = range_of(colours, form, depth)
        if alpha is not None and alpha.dtype != np.uint8:
            alpha = scaled(alpha, found.white if found.floating else form.white or found.largest)
        colours = scaled(colours, found.white)
    image = np.asarray(colours, np.uint8)
    image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image
    state: Alpha = "left out" if form.hidden_alpha else ""
    if alpha is not None and (opacity := np.asarray(alpha, np.uint8)).min() < 255:
        image, state = _composited(image, opacity, premultiplied=form.premultiplied), "composited"
    if form.unchanged and not is_tiff(content):  # OpenCV has rotated a TIFF
        image = upright(image, orientation(content))
    return np.ascontiguousarray(image, np.uint8), found, state


def _split(decoded: Values, content: bytes) -> tuple[Values, Values | None]:
    """Return the colours [H, W] or [H, W, 3], and the alpha channel [H, W] or None."""
    if decoded.ndim == 3 and decoded.shape[2] == 4:
        if decoded.dtype == np.uint8:  # much faster than a copy by NumPy
            return cv2.cvtColor(np.asarray(decoded, np.uint8), cv2.COLOR_BGRA2BGR), decoded[..., 3]
        return decoded[..., :3], decoded[..., 3]
    gray = decoded[..., 0] if decoded.ndim == 3 and decoded.shape[2] == 1 else decoded
    if gray.ndim == 2 and (value := transparent_gray(content)) is not None:
        return gray, np.where(gray == value, 0, _largest(gray)).astype(gray.dtype)
    return gray, None


def range_of(values: Values, form: PixelFormat, depth: Depth) -> DepthRange:
    """Return the range of the values of an image, and which of them becomes 255."""
    floating = values.dtype.kind == "f"
    low, high = float(values.min()), float(values.max())
    finite = bool(np.isfinite(low) and np.isfinite(high))
    if not finite:
        inside = values[np.isfinite(values)]
        low, high = (float(inside.min()), float(inside.max())) if inside.size else (0.0, 0.0)
    largest = 1.0 if floating else form.white or _largest(values)
    bits = form.bits if form.deep else 8 * values.dtype.itemsize
    white = _white(depth, high, largest, stated=bool(form.white), floating=floating)
    return DepthRange(bits, floating, low, high, largest, white, finite)


def _largest(values: Values) -> float:
    """Return the largest value of the type of integers."""
    return float(2 ** (8 * values.dtype.itemsize - (values.dtype.kind == "i")) - 1)


def _white(depth: Depth, high: float, largest: float, *, stated: bool, floating: bool) -> float:
    """Return the value that becomes 255."""
    if depth == FULL_DEPTH or (depth == AUTO_DEPTH and stated):
        return largest
    if depth != AUTO_DEPTH:
        return float(depth)
    if floating and high < OVERSHOOT:
        return 1.0
    return next((maximum for maximum in MAXIMA if high <= maximum), high)


def scaled(values: Values, white: float) -> Bytes:
    """Return values from 0 to ``white`` as 0 to 255, rounded; others are clipped, and NaN becomes 0."""
    result = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), STRIP):
        with np.errstate(over="ignore"):  # infinity, which is clipped too
            strip = values[start : start + STRIP].astype(np.float32)
        np.nan_to_num(strip, copy=False, nan=0.0, posinf=white, neginf=0.0)
        np.clip(strip, 0, white, out=strip)
        strip *= 255 / white
        strip += 0.5
        result[start : start + STRIP] = strip
    return result


def _composited(image: Bytes, alpha: Bytes, *, premultiplied: bool) -> Bytes:
    """Return an image over :data:`BACKGROUND`; opaque pixels do not change."""
    result = np.empty(image.shape, np.uint8)
    for start in range(0, len(image), STRIP):
        opacity = alpha[start : start + STRIP, :, None].astype(np.uint16)
        colours = image[start : start + STRIP].astype(np.uint16)
        colours = colours * 255 if premultiplied else colours * opacity
        np.minimum(colours, 255 * opacity, out=colours)  # a premultiplied colour is at most its alpha
        result[start : start + STRIP] = (colours + BACKGROUND * (255 - opacity) + 127) // 255
    return result


def upright(image: Bytes, turned: int) -> Bytes:
    """Return an image with its EXIF orientation, 1 to 8, applied."""
    if turned >= 5:
        image = image.swapaxes(0, 1)
    if turned in {2, 3, 6, 7}:
        image = image[:, ::-1]
    if turned in {3, 4, 7, 8}:
        image = image[::-1]
    return image
