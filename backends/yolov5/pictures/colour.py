"""Random hue, saturation and value."""

from __future__ import annotations

import cv2
import numpy as np

from backends.yolov5.pictures.samples import Picture
from backends.yolov5.training.options import TrainingOptions

HUES = 180
"""Steps of OpenCV's hue, two degrees each."""

_VALUES = np.arange(256)


def random_gains(settings: TrainingOptions, rng: np.random.Generator) -> tuple[float, float, float]:
    """Factors of hue, saturation and value, 1 plus or minus the settings."""
    hue, saturation, value = 1 + rng.uniform(-1, 1, 3) * (settings.hsv_h, settings.hsv_s, settings.hsv_v)
    return float(hue), float(saturation), float(value)


def write_planes(picture: Picture, gains: tuple[float, float, float], planes: Picture) -> None:
    """Change the colours of a BGR picture and write it as RGB planes.

    Args:
        picture: uint8 [H, W, 3]; it is overwritten.
        gains: Factors of hue, saturation and value; where all are 1, no value changes.
        planes: uint8 [3, H, W], written.
    """
    if gains == (1, 1, 1):
        cv2.split(picture, list(planes[::-1]))
        return
    changed = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
    hue, saturation, value = channels = list(planes)  # room that is overwritten at the end
    cv2.split(changed, channels)
    cv2.LUT(hue, (_VALUES * gains[0] % HUES).astype(np.uint8), dst=hue)
    for channel, gain in ((saturation, gains[1]), (value, gains[2])):
        cv2.convertScaleAbs(channel, channel, gain)  # rounds and saturates, several times as fast as a table
    cv2.merge(channels, changed)
    cv2.cvtColor(changed, cv2.COLOR_HSV2RGB, dst=picture)
    cv2.split(picture, channels)
