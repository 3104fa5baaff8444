"""How large an image or a frame of video may be."""

from __future__ import annotations

MAX_PIXELS = 200_000_000
"""Width x height: a photo of the largest phone cameras (16320 x 12240) fits."""
BYTES_PER_PIXEL, METADATA = 8, 1 << 26
"""An image file holds at most 16 bits of red, green, blue and alpha per pixel, and metadata."""


def too_many_pixels(size: tuple[int, int], max_pixels: int) -> str:
    """Return why an image of this height and width is not decoded; empty where it is."""
    height, width = size
    if height * width <= max_pixels:
        return ""
    return f"it has {width} x {height} = {width * height:,} pixels; raise max_pixels={max_pixels} to read it"


def largest_file(max_pixels: int) -> int:
    """Return the maximum number of bytes of an image file."""
    return BYTES_PER_PIXEL * max_pixels + METADATA
