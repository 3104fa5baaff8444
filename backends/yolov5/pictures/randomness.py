"""Random numbers that depend on what they are for, never on what was drawn before."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What random numbers are for; each purpose has its own."""

    PICTURE = 1
    ORDER = 2


def generator(seed: int, purpose: Purpose, *counters: int) -> np.random.Generator:
    """A stream of random numbers for up to three counters, such as epoch, index and position.

    Philox computes them from key and counter, so that any stream can be begun anywhere: in any worker
    process, and in a run that was resumed.
    """
    first, second, third = (*counters, 0, 0, 0)[:3]
    return np.random.Generator(np.random.Philox(key=(seed % 2**64, int(purpose)), counter=(0, first, second, third)))
