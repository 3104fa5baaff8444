"""The directory of one run: its lock, the disk space it reserves, and the removal of unfinished files."""

from __future__ import annotations

import os
import pathlib
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
"""Disk space that a run reserves, so that summary.json can be written on a full disk."""
UNFINISHED = ".unfinished-"
"""Part of the names of hidden directories, which are renamed when their results are complete."""
LEFTOVER = re.compile(rf"\.\w+(-\d+)?{re.escape(UNFINISHED)}[0-9a-f]{{16}}")
HYDRA_FILES = ("config", "hydra", "overrides")
"""Names of the files in ``.hydra``, without their suffix."""
HIDDEN = frozenset({LOCK, RESERVE, ".hydra"})
"""Names in a run's directory before the run has written results."""
_made: set[str] = set()
"""Directories that :func:`remember_directories` has seen being made."""


@contextmanager
def run_directory(run_dir: Path) -> Iterator[None]:
    """Lock ``run_dir`` for this process while the block runs.

    Unfinished directories and temporary files of a killed run are removed; complete results stay.

    Raises:
        HooklineError: Another run uses the directory.
    """
    lock = FileLock(output_path(run_dir, LOCK))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise HooklineError(
            f"another run is using '{run_dir}'", "wait until it ends, or choose another directory with hydra.run.dir="
        ) from error
    try:
        sweep(run_dir)
        _reserve(run_dir)
        yield
    finally:
        free_reserve(run_dir)
        lock.release()


def free_reserve(run_dir: Path) -> None:
    """Release the reserved disk space, before the run writes its last files."""
    with suppress(OSError):  # the user has a folder of this name
        (run_dir / RESERVE).unlink(missing_ok=True)


def unfinished(target: Path) -> Path:
    """Return the path of a hidden directory next to ``target``, in which the result is written."""
    return target.with_name(f".{target.name}{UNFINISHED}{secrets.token_hex(8)}")


def is_new(run_dir: Path) -> bool:
    """Return whether the directory has no results of a run."""
    return {item.name for item in run_dir.iterdir()} <= HIDDEN


@contextmanager
def remember_directories() -> Iterator[None]:
    """Record the directories that are made in the block; :func:`remove` removes no others.

    Hydra makes the directory of a run and its parents before the run begins.
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
                raise HooklineError(f"cannot create the folder '{os.fsdecode(path)}'", "choose another one") from error
            raise
        _made.add(name)

    accessor = getattr(pathlib, "_NormalAccessor", None)  # Python 3.10 keeps a reference to os.mkdir there
    os.mkdir = remember
    if accessor:
        accessor.mkdir = staticmethod(remember)
    try:
        yield
    finally:
        os.mkdir = make
        if accessor:
            accessor.mkdir = make


def remove(run_dir: Path) -> None:
    """Remove the directories that were made for a run without results, and the files of Hydra in them.

    Directories that existed before, and files of others, stay.
    """
    hydra_folder = run_dir / ".hydra"
    with suppress(OSError):  # one of them is not empty
        if str(hydra_folder) in _made:
            for name in HYDRA_FILES:
                (hydra_folder / f"{name}.yaml").unlink(missing_ok=True)
            hydra_folder.rmdir()
        if str(run_dir) in _made:
            free_reserve(run_dir)
            (run_dir / LOCK).unlink(missing_ok=True)
        for folder in (run_dir, *run_dir.parents):
            if str(folder) not in _made:
                break
            folder.rmdir()


def sweep(folder: Path, *, below: bool = False) -> None:
    """Remove unfinished directories and temporary files of a killed run from ``folder``.

    Args:
        folder: The folder.
        below: Search its subfolders too.
    """
    for left in folder.rglob("*") if below else folder.iterdir():
        if LEFTOVER.fullmatch(left.name) and left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        elif TEMPORARY_NAME.fullmatch(left.name) and not left.is_dir():
            left.unlink(missing_ok=True)


def _reserve(run_dir: Path) -> None:
    """Reserve disk space if the file system supports it; without it, a full disk may prevent summary.json."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with suppress(OSError):
        handle = os.open(run_dir / RESERVE, flags, 0o644)
        try:
            os.posix_fallocate(handle, 0, RESERVE_BYTES)
        finally:
            os.close(handle)
