"""Record of every path outside some folders that Python code creates, changes or removes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATHS = {
    "os.mkdir": ((0, 2),), "os.rename": ((0, 2), (1, 3)), "os.remove": ((0, 1),), "os.rmdir": ((0, 1),),
    "os.symlink": ((1, 2),), "os.link": ((1, 3),), "os.chmod": ((0, 2),), "os.utime": ((0, 3),),
    "os.truncate": ((0, None),),
}  # fmt: skip
"""Positions of the written paths by audit event, each with the position of its directory's descriptor."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_HARMLESS = ("/dev/", "/proc/")


class _Audit:
    """One per process, because an audit hook cannot be removed."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] | None = None
        self.found: list[str] = []

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.allowed is None:
            return
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
            self._look(event, arguments[0], None, follow=True)
        for position, descriptor in _PATHS.get(event, ()):
            self._look(event, arguments[position], None if descriptor is None else arguments[descriptor])

    def _look(self, event: str, path: object, descriptor: object, *, follow: bool = False) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        base = f"/proc/self/fd/{descriptor}" if isinstance(descriptor, int) and descriptor >= 0 else os.getcwd()  # noqa: PTH109
        whole = os.path.join(os.path.realpath(base), os.fsdecode(path))  # noqa: PTH118
        folder, name = os.path.split(whole)
        place = os.path.realpath(whole) if follow else os.path.join(os.path.realpath(folder), name)  # noqa: PTH118
        allowed = self.allowed or ()
        if not place.startswith(_HARMLESS) and not any(
            place == root or place.startswith(f"{root}/") for root in allowed
        ):
            self.found.append(f"{event} {place!r}")


_AUDIT = _Audit()
sys.addaudithook(_AUDIT)


@contextmanager
def writes_outside(*folders: Path) -> Iterator[list[str]]:
    """Yield the list of writes outside ``folders``, which grows during the block.

    Python writes no bytecode meanwhile: modules that are imported in the block would add it to their own folders.
    """
    _AUDIT.allowed, _AUDIT.found = tuple(os.path.realpath(folder) for folder in folders), []
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield _AUDIT.found
    finally:
        _AUDIT.allowed, sys.dont_write_bytecode = None, bytecode
