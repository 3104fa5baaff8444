"""Masks of shapes, and textured backgrounds. Heavy: imports OpenCV."""

from __future__ import annotations

import math
from collections.abc import Callable

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
    """Return the closed outlines of a shape, each [n, 2] in the unit circle; the second one, if any, is a hole."""
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
    """Return the coverage of each pixel by a shape, 0 to 1, float32 [n, n] with n >= ``diameter``.

    Args:
        name: One of :data:`stages.toy.config.SHAPES`.
        diameter: Diameter of the circumscribed circle in pixels.
        turn: Rotation in radians.
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


FloatImage = NDArray[np.float32]
"""float32 [size, size, 3], BGR from 0 to 255."""


def background(rng: np.random.Generator, size: int) -> FloatImage:
    """Return a random texture in random colours with additive noise."""
    texture = TEXTURES[rng.integers(len(TEXTURES))](rng, size)
    grain = rng.normal(0, rng.uniform(2, 8), (size, size, 1))
    return np.clip(texture + grain, 0, 255).astype(np.float32)


def noise(rng: np.random.Generator, size: int) -> FloatImage:
    """Return random blotches of one scale around a colour."""
    cells = int(rng.integers(4, max(5, size // 8)))
    coarse = rng.normal(0, rng.uniform(10, 35), (cells, cells, 3)).astype(np.float32)
    blotches = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(rng.uniform(40, 215, 3) + blotches, np.float32)


def gradient(rng: np.random.Generator, size: int) -> FloatImage:
    """Return a gradient between two colours along a random direction."""
    along = _along(rng, size)
    share = (along - along.min()) / np.ptp(along)
    return _mixed(share, *_two_colours(rng))


def stripes(rng: np.random.Generator, size: int) -> FloatImage:
    """Return stripes of two colours along a random direction, with soft to hard edges."""
    period = rng.uniform(size / 32, size / 4)
    wave = np.sin(_along(rng, size) * (2 * math.pi / period) + rng.uniform(0, 2 * math.pi))
    return _mixed(0.5 + 0.5 * np.tanh(wave * rng.uniform(0.5, 6)), *_two_colours(rng))


TEXTURES: tuple[Callable[[np.random.Generator, int], FloatImage], ...] = (noise, gradient, stripes)


def _along(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Return the position of each pixel along a random direction, in pixels [size, size]."""
    angle = rng.uniform(0, 2 * math.pi)
    steps = np.arange(size, dtype=np.float64)
    return steps * math.cos(angle) + steps[:, None] * math.sin(angle)


def _two_colours(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return two random colours that are similar enough for an object to contrast with both."""
    middle = rng.uniform(50, 205, 3)
    offset = rng.uniform(-45, 45, 3)
    return np.stack([middle - offset, middle + offset])


def _mixed(share: NDArray[np.float64], one: NDArray[np.float64], other: NDArray[np.float64]) -> FloatImage:
    return np.asarray(one + share[..., None] * (other - one), np.float32)
