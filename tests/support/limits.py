"""A bound on time and memory for tests of hostile input."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GIB = 1 << 30


@contextmanager
def bounded(*, seconds: float = 20.0, memory: int = GIB) -> Iterator[None]:
    """Fail where the block takes more CPU time of this thread, or more address space than is in use now and ``memory``.

    An allocation beyond the limit fails in the code under test, which then raises MemoryError or dies.
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
