"""The directory of one run: held by one process at a time, and cleared of what a killed run left unfinished."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import HooklineError
from core.output_paths import TEMPORARY, output_path

LOCK = ".hookline.lock"
RESERVE = ".hookline.reserve"
RESERVE_BYTES = 256 << 10
"""Room that a run sets aside, so that a full disk leaves enough for summary.json."""
UNFINISHED = ".unfinished"
"""How the hidden directories end in which results are made before they come into place as a whole."""
HIDDEN = frozenset({LOCK, RESERVE, ".hydra"})
"""What a run's directory holds before the run has made anything."""


@contextmanager
def run_directory(run_dir: Path) -> Iterator[None]:
    """Hold ``run_dir`` for this process while the block runs.

    Unfinished directories and temporary files of a killed run are removed; what had come into place stays.

    Raises:
        HooklineError: Another run works in the directory.
    """
    lock = FileLock(output_path(run_dir, LOCK))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise HooklineError(
            f"another run is working in '{run_dir}'", "wait for its end, or choose another directory: hydra.run.dir="
        ) from error
    try:
        _sweep(run_dir)
        _reserve(run_dir)
        yield
    finally:
        free_reserve(run_dir)
        lock.release()


def free_reserve(run_dir: Path) -> None:
    """Give back the room that was set aside: the run is about to write its last files."""
    (run_dir / RESERVE).unlink(missing_ok=True)


def unfinished(target: Path) -> Path:
    """Return the hidden directory next to ``target`` in which it is made."""
    return target.with_name(f".{target.name}{UNFINISHED}")


def is_new(run_dir: Path) -> bool:
    """Return whether the directory holds nothing that a run has made."""
    return {item.name for item in run_dir.iterdir()} <= HIDDEN


def remove(run_dir: Path) -> None:
    """Remove the directory of a run that made nothing, and the folders above it that are empty then.

    Folders at or above the working directory stay.
    """
    shutil.rmtree(run_dir)
    here = Path.cwd()
    for parent in run_dir.parents:
        if here not in parent.parents or any(parent.iterdir()):
            break
        parent.rmdir()


def _sweep(run_dir: Path) -> None:
    for left in run_dir.iterdir():
        if left.name.startswith(".") and left.name.endswith(UNFINISHED) and left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        elif left.name.startswith(TEMPORARY):
            left.unlink(missing_ok=True)


def _reserve(run_dir: Path) -> None:
    """Set the room aside where the file system can; without it only the summary of a full disk is at stake."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with suppress(OSError):
        handle = os.open(run_dir / RESERVE, flags, 0o644)
        try:
            os.posix_fallocate(handle, 0, RESERVE_BYTES)
        finally:
            os.close(handle)
