"""Pause Python's garbage collection while modules and plugins are loaded."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Collect no garbage in the block, and exclude the objects that exist at its end from later collections.

    Loading modules creates many objects, and nearly all of them exist until the process ends: each collection would
    traverse them for nothing. If collection is disabled already, it stays disabled.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
