"""Limits of time and memory for tests with hostile input."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GIB = 1 << 30


@contextmanager
def bounded(*, seconds: float = 20.0, memory: int = GIB) -> Iterator[None]:
    """Limit the CPU time of this thread, and the address space to the current size plus ``memory``.

    An allocation beyond the limit fails in the code under test with a MemoryError or a crash.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory, before[1]))
    started = time.thread_time()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    taken = time.thread_time() - started
    assert taken < seconds, f"took {taken:.1f} s, more than {seconds} s"
