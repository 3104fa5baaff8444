"""The directory of one run: held by one process at a time, and cleared of what a killed run left unfinished."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import HooklineError
from core.files.paths import TEMPORARY_NAME, output_path

LOCK = ".hookline.lock"
RESERVE = ".hookline.reserve"
RESERVE_BYTES = 256 << 10
"""Room that a run sets aside, so that a full disk leaves enough for summary.json."""
UNFINISHED = ".unfinished-"
"""In the names of the hidden directories in which results are made before they come into place as a whole."""
LEFTOVER = re.compile(rf"\.\w+(-\d+)?{re.escape(UNFINISHED)}[0-9a-f]{{16}}")
NOTES = ("config", "hydra", "overrides")
"""Files in ``.hydra``, without their suffix."""
HIDDEN = frozenset({LOCK, RESERVE, ".hydra"})
"""What a run's directory holds before the run has made anything."""
_made: set[str] = set()


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
        sweep(run_dir)
        _reserve(run_dir)
        yield
    finally:
        free_reserve(run_dir)
        lock.release()


def free_reserve(run_dir: Path) -> None:
    """Give back the room that was set aside: the run is about to write its last files."""
    with suppress(OSError):  # a folder of the user's has the name
        (run_dir / RESERVE).unlink(missing_ok=True)


def unfinished(target: Path) -> Path:
    """Return a hidden directory next to ``target`` in which it is made."""
    return target.with_name(f".{target.name}{UNFINISHED}{secrets.token_hex(8)}")


def is_new(run_dir: Path) -> bool:
    """Return whether the directory holds nothing that a run has made."""
    return {item.name for item in run_dir.iterdir()} <= HIDDEN


@contextmanager
def remember_directories() -> Iterator[None]:
    """Remember which directories are made in the block: no other one is ever removed by :func:`remove`.

    Hydra makes the directory of a run, and the folders above it, before the run begins.
    """
    make = os.mkdir

    def remember(
        path: str | bytes | os.PathLike[str] | os.PathLike[bytes], mode: int = 0o777, *, dir_fd: int | None = None
    ) -> None:
        name = os.path.abspath(os.fsdecode(path))
        try:
            make(path, mode, dir_fd=dir_fd)
        except FileNotFoundError as error:
            if os.path.isdir(os.path.dirname(name)):  # noqa: PTH112, PTH120  e.g. in /proc
                raise HooklineError(f"no folder can be made at '{os.fsdecode(path)}'", "choose another one") from error
            raise
        _made.add(name)

    os.mkdir = remember
    try:
        yield
    finally:
        os.mkdir = make


def remove(run_dir: Path) -> None:
    """Remove the directories that were made for a run that made nothing, and its own notes in them.

    A directory that was there before stays, with everything that is not of this run.
    """
    notes = run_dir / ".hydra"
    with suppress(OSError):  # one of them is not empty
        if str(notes) in _made:
            for name in NOTES:
                (notes / f"{name}.yaml").unlink(missing_ok=True)
            notes.rmdir()
        if str(run_dir) in _made:
            free_reserve(run_dir)
            (run_dir / LOCK).unlink(missing_ok=True)
        for folder in (run_dir, *run_dir.parents):
            if str(folder) not in _made:
                break
            folder.rmdir()


def sweep(folder: Path, *, below: bool = False) -> None:
    """Remove what a killed run left unfinished in ``folder``, and in all folders ``below`` it."""
    for left in folder.rglob("*") if below else folder.iterdir():
        if LEFTOVER.fullmatch(left.name) and left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        elif TEMPORARY_NAME.fullmatch(left.name) and not left.is_dir():
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
