"""Backgrounds: noise, gradients and stripes. Heavy: imports OpenCV."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
"""float32 [size, size, 3], BGR 0..255."""


def background(rng: np.random.Generator, size: int) -> Picture:
    """One of the textures in random colours, with a little grain so that no area is quite flat."""
    texture = TEXTURES[rng.integers(len(TEXTURES))](rng, size)
    grain = rng.normal(0, rng.uniform(2, 8), (size, size, 1))
    return np.clip(texture + grain, 0, 255).astype(np.float32)


def noise(rng: np.random.Generator, size: int) -> Picture:
    """Blotches of one scale around a colour."""
    cells = int(rng.integers(4, max(5, size // 8)))
    coarse = rng.normal(0, rng.uniform(10, 35), (cells, cells, 3)).astype(np.float32)
    blotches = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(rng.uniform(40, 215, 3) + blotches, np.float32)


def gradient(rng: np.random.Generator, size: int) -> Picture:
    """From one colour to another along a random direction."""
    along = _along(rng, size)
    share = (along - along.min()) / np.ptp(along)
    return _mixed(share, *_two_colours(rng))


def stripes(rng: np.random.Generator, size: int) -> Picture:
    """Waves between two colours, from soft to hard, along a random direction."""
    period = rng.uniform(size / 32, size / 4)
    wave = np.sin(_along(rng, size) * (2 * math.pi / period) + rng.uniform(0, 2 * math.pi))
    return _mixed(0.5 + 0.5 * np.tanh(wave * rng.uniform(0.5, 6)), *_two_colours(rng))


TEXTURES: tuple[Callable[[np.random.Generator, int], Picture], ...] = (noise, gradient, stripes)


def _along(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Distance of each pixel along a random direction, pixels [size, size]."""
    angle = rng.uniform(0, 2 * math.pi)
    steps = np.arange(size, dtype=np.float64)
    return steps * math.cos(angle) + steps[:, None] * math.sin(angle)


def _two_colours(rng: np.random.Generator) -> NDArray[np.float64]:
    """Not too far from each other: an object must stand out from both."""
    middle = rng.uniform(50, 205, 3)
    offset = rng.uniform(-45, 45, 3)
    return np.stack([middle - offset, middle + offset])


def _mixed(share: NDArray[np.float64], one: NDArray[np.float64], other: NDArray[np.float64]) -> Picture:
    return np.asarray(one + share[..., None] * (other - one), np.float32)
