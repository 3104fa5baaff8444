"""Reading of regular files up to a size limit, and errors of the disk as one-line messages."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from core.errors import HooklineError, error_chain

CHUNK = 1 << 20
KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class NotRegularError(OSError):
    """A FIFO, socket, device or folder in place of a regular file."""


class TooLargeError(OSError):
    """A file that exceeds its size limit."""


def open_regular(path: Path | str, limit: int | None = None) -> BinaryIO:
    """Open a regular file for reading, without ever blocking.

    Args:
        path: The file; links are followed.
        limit: Maximum number of bytes; None for no limit.

    Raises:
        NotRegularError: It is not a regular file.
        TooLargeError: It has more than ``limit`` bytes.
        OSError: It is missing or unreadable, or its name is not a valid file name.
    """
    try:
        _check(os.stat(path), path, limit)  # noqa: PTH116  accepts any name
        # A FIFO can replace the file after the check; without O_NONBLOCK, opening it would block.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except ValueError as error:  # a NUL byte, or characters outside the encoding of the file system
        raise OSError(errno.EINVAL, "it is not a valid file name", str(path)) from error
    file = os.fdopen(handle, "rb")
    try:
        _check(os.fstat(handle), path, limit)
    except OSError:
        file.close()
        raise
    return file


def read_regular(path: Path | str, limit: int | None = None) -> bytes:
    """Return the content of a regular file.

    Args:
        path: The file; links are followed.
        limit: Maximum number of bytes; None for no limit.

    Raises:
        OSError: As :func:`open_regular`; also if the file grows beyond ``limit`` while it is read.
    """
    with open_regular(path, limit) as file:
        if limit is None:
            return file.read()
        content = file.read(os.fstat(file.fileno()).st_size + 1)  # read(limit) would allocate ``limit`` bytes
        while len(content) <= limit and (more := file.read(CHUNK)):  # it grows, or has size 0 as files in /proc
            content += more
    if len(content) > limit:
        raise _too_large(path, len(content), limit)
    return content


def is_file(path: Path | str) -> bool:
    """Return whether ``path`` is a regular file; False for an invalid name."""
    return os.path.isfile(path)  # noqa: PTH113  Path.is_file raises an error for some names


def is_folder(path: Path | str) -> bool:
    """Return whether ``path`` is a folder; False for an invalid name."""
    return os.path.isdir(path)  # noqa: PTH112  as above


def exists(path: Path | str) -> bool:
    """Return whether ``path`` exists; False for an invalid name."""
    return os.path.exists(path)  # noqa: PTH110  as above


def _check(status: os.stat_result, path: Path | str, limit: int | None) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "a special file")
        raise NotRegularError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))
    if limit is not None and status.st_size > limit:
        raise _too_large(path, status.st_size, limit)


def _too_large(path: Path | str, size: int, limit: int) -> TooLargeError:
    return TooLargeError(errno.EFBIG, f"it has {size:,} bytes, the limit is {limit:,}", str(path))


_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR}
_HINT = (
    "free disk space or change the permissions, or write elsewhere: store=, hydra.run.dir=, or HOOKLINE_HOME for all"
)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Replace errors of the disk by one line: a full disk, a size limit, and missing permissions.

    The chain of causes is searched, because libraries wrap these errors in their own.

    Raises:
        HooklineError: In place of the error of the disk.
    """
    try:
        yield
    except HooklineError:
        raise
    except Exception as error:
        causes = [link for link in error_chain(error) if isinstance(link, OSError)]
        named = (cause.filename2 or cause.filename for cause in causes)
        where = next((f" at '{name}'" for name in named if name), "")
        if any(cause.errno == errno.EFBIG for cause in causes) or os.strerror(errno.EFBIG) in str(error):
            raise HooklineError(
                f"a file reached the file size limit{where}", "`ulimit -f` shows and sets the limit"
            ) from error
        if any(cause.errno in _FULL for cause in causes) or os.strerror(errno.ENOSPC) in str(error):
            raise HooklineError(f"no space left on the disk{where}", _HINT) from error
        if causes and _is_refusal(causes[0]):
            raise HooklineError(f"cannot read or write{where} ({causes[0].strerror})", _HINT) from error
        raise


def _is_refusal(error: OSError) -> bool:
    """Return whether permissions are missing, or a file exists in place of a folder."""
    file_in_place = error.errno == errno.EEXIST and error.filename and Path(os.fsdecode(error.filename)).is_file()
    return error.errno in _REFUSED or bool(file_in_place)
