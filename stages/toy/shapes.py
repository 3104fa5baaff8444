"""Masks of the shapes: outlines in the unit circle, turned, scaled and filled. Heavy: imports OpenCV."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

OVERSAMPLING = 4
FRACTION_BITS = 4
CIRCLE_CORNERS = 72
RING_HOLE = 0.55
STAR_WAIST = 0.42
CROSS_ARM = 0.34


def outlines(name: str) -> list[Points]:
    """The closed outlines of a shape, each [n, 2] in the unit circle; the second of two is a hole."""
    if name == "circle":
        return [_on_circle(CIRCLE_CORNERS)]
    if name == "ring":
        return [_on_circle(CIRCLE_CORNERS), _on_circle(CIRCLE_CORNERS) * RING_HOLE]
    if name == "square":
        return [_on_circle(4)]
    if name == "triangle":
        return [_on_circle(3)]
    if name == "star":
        radii = np.where(np.arange(10) % 2, STAR_WAIST, 1.0)
        return [_on_circle(10) * radii[:, None]]
    if name == "cross":
        return [_cross()]
    raise ValueError(f"no shape '{name}'")


def shape_mask(name: str, diameter: float, turn: float) -> NDArray[np.float32]:
    """How much of each pixel a shape covers, 0..1, float32 [n, n] with n >= ``diameter``.

    Args:
        name: As in :data:`stages.toy.SHAPES`.
        diameter: Of the circle around the shape, pixels.
        turn: Radians.
    """
    side = math.ceil(diameter) + 2
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    unit = OVERSAMPLING * 2**FRACTION_BITS
    polygons = [
        np.rint((outline @ rotation.T * diameter / 2 + side / 2) * unit).astype(np.int32) for outline in outlines(name)
    ]
    canvas = np.zeros((side * OVERSAMPLING, side * OVERSAMPLING), np.float32)
    cv2.fillPoly(canvas, polygons, 1.0, shift=FRACTION_BITS)
    return np.asarray(cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _on_circle(corners: int) -> Points:
    angles = np.arange(corners) * (2 * math.pi / corners)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _cross() -> Points:
    arm = CROSS_ARM
    tip = math.sqrt(1 - arm**2)
    quarter = np.array([[tip, -arm], [tip, arm], [arm, arm]])
    turns = [np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]]) for a in np.arange(4) * math.pi / 2]
    return np.concatenate([quarter @ turn.T for turn in turns])
