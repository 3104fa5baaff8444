"""What a launch of a kernel is: grid, block and the one argument, for whoever runs it.

Every kernel takes one structure by value. It is built as a NumPy array of one element whose memory is that of the
C structure, which is what CuPy passes by value; device memory enters as plain addresses, so nothing in here
needs a GPU.
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
        block: Threads a block.
        argument: Structured array of shape (1,), passed by value.
    """

    source: str
    kernel: str
    grid: Triple
    block: Triple
    argument: NDArray[np.void]


def struct(*fields: tuple[str, DTypeLike] | tuple[str, DTypeLike, int]) -> np.dtype[np.void]:
    """A structure with its fields at the places where C puts them.

    Args:
        fields: Name and type, and for an array its length; addresses are ``np.uintp``.
    """
    return np.dtype(list(fields), align=True)
