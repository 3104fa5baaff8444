"""Register the checks of the host for ``+stage=doctor``."""

from __future__ import annotations

from collections.abc import Iterable

from backends.system.limits import CHECK_LIMIT
from core.kinds.check import Check, found_at
from core.plugins.hookspecs import hookimpl

_CHECKS = (
    ("system", "operating system, kernel, C library, container"),
    ("packages", "Python and the packages that hookline needs, against their ranges"),
    ("opencv", "one OpenCV package, which can be imported"),
    ("video", "PyAV, which reads and writes video, can be imported"),
    ("shared_memory", "shared memory, for the workers that load images for training"),
    ("disk", "free space on the disk of the store"),
)


@hookimpl
def hookline_checks() -> Iterable[Check]:
    """Register the checks. Every target needs them."""
    for name, summary in _CHECKS:
        yield Check(name=name, summary=summary, load=found_at(f"backends.system.checks:{name}"), limit=CHECK_LIMIT)
