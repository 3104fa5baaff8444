"""The launch of a kernel: grid, block and argument.

Every kernel takes one structure by value. It is a NumPy array of one element with the memory layout of the C structure,
which CuPy passes by value. Device memory is given by address, so this module needs no GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Launch:
    """One launch of one kernel.

    Attributes:
        source: Name of the source, for :func:`cuda_plugins.nvrtc.source`.
        kernel: Name of the function.
        grid: Blocks.
        block: Threads per block.
        argument: Structured array of shape (1,), passed by value.
    """

    source: str
    kernel: str
    grid: Triple
    block: Triple
    argument: NDArray[np.void]


def struct(*fields: tuple[str, DTypeLike] | tuple[str, DTypeLike, int]) -> np.dtype[np.void]:
    """Return a structure type with the memory layout of C.

    Args:
        fields: Name and type, and for an array its length; addresses are ``np.uintp``.
    """
    return np.dtype(list(fields), align=True)
