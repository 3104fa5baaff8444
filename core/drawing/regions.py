"""Ignore regions in an image: stripes of two tones, which no class has. Heavy: imports NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.drawing.palette import BLACK, WHITE
from core.labels import Labels, distinct_regions

PERIOD = 8
"""Distance of the stripes, in widths of a stripe."""


def draw_regions(image: NDArray[np.uint8], labels: Labels) -> NDArray[np.uint8]:
    """Return a uint8 BGR image with diagonal stripes over the ignore regions; the same image if there are none.

    Each stripe is half black and half white, so that it is visible on any background.
    """
    if not len(labels.regions):
        return image
    canvas = image.copy()
    height, width = image.shape[:2]
    stripe = max(1, round((height + width) * 0.002))
    tones = (np.arange(width) + np.arange(height)[:, None]) // stripe % PERIOD
    regions = distinct_regions(labels)
    centres, halves = regions[:, :2], regions[:, 2:] / 2
    corners = np.concatenate([centres - halves, centres + halves], axis=1).clip(0, 1) * [width, height, width, height]
    for left, top, right, bottom in corners.round().astype(int).tolist():
        region = slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))
        for tone, colour in enumerate((BLACK, WHITE)):
            canvas[region][tones[region] == tone] = colour
    return canvas
