"""Whether CUDA has started in this process, asked without starting it."""

from __future__ import annotations

import ctypes
import os

NOT_STARTED = 3
"""``CUDA_ERROR_NOT_INITIALIZED``."""


def has_started(library: str = "libcuda.so.1") -> bool:
    """Whether something has started CUDA, which reads the environment then and never again.

    Args:
        library: That of the driver. It is asked only where this process has loaded it.
    """
    try:
        driver = ctypes.CDLL(library, mode=os.RTLD_NOLOAD)
    except OSError:
        return False
    return bool(driver.cuDeviceGetCount(ctypes.byref(ctypes.c_int())) != NOT_STARTED)
