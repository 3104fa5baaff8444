"""Checks of the machine itself, for ``+stage=doctor``."""

from __future__ import annotations

from collections.abc import Iterable

from core.kinds.check import Check, found_at
from core.plugins.hookspecs import hookimpl

_CHECKS = {
    "system": ("operating system, C library, container", "platform:operating_system"),
    "python": ("the interpreter against the range of the package", "platform:python"),
    "packages": ("the packages that hookline needs, against their ranges", "packages:dependencies"),
    "opencv": ("one OpenCV package, which can be imported", "packages:opencv"),
    "video": ("PyAV: decoders of usual streams, the encoder libx264", "packages:video"),
    "shared_memory": ("shared memory, for the processes that load images for a training", "disk:shared_memory"),
    "disk": ("room on the disk of the store", "disk:disk"),
}


PATIENCE = 90.0
"""Seconds that a check gets: more than one import or library in a process of its own may take."""


@hookimpl
def hookline_checks() -> Iterable[Check]:
    """Register the checks."""
    for name, (summary, place) in _CHECKS.items():
        yield Check(name=name, summary=summary, load=found_at(f"backends.system.{place}"), limit=PATIENCE)
