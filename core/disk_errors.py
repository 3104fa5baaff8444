"""Errors of the disk, in one line and with a way out."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import HooklineError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_LOCKED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR}
_ELSEWHERE = "make room or change its rights, or write elsewhere: store=, hydra.run.dir=, or HOOKLINE_HOME for all"


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn a full disk, and files that may not be read or written, into one line; libraries hide the cause.

    Raises:
        HooklineError: In place of the error that the disk caused.
    """
    try:
        yield
    except HooklineError:
        raise
    except Exception as error:
        causes = [link for link in _causes(error) if isinstance(link, OSError)]
        named = (cause.filename2 or cause.filename for cause in causes)
        where = next((f" at '{name}'" for name in named if name), "")
        if any(cause.errno == errno.EFBIG for cause in causes) or os.strerror(errno.EFBIG) in str(error):
            raise HooklineError(
                f"a file reached the file size limit{where}", "`ulimit -f` shows and raises it"
            ) from error
        if any(cause.errno in _FULL for cause in causes) or os.strerror(errno.ENOSPC) in str(error):
            raise HooklineError(f"no space left on the disk{where}", _ELSEWHERE) from error
        if causes and _is_refusal(causes[0]):
            raise HooklineError(f"cannot read or write{where} ({causes[0].strerror})", _ELSEWHERE) from error
        raise


def _is_refusal(error: OSError) -> bool:
    """Return whether the file may not be touched, or a file stands where a folder should be."""
    in_the_way = error.errno == errno.EEXIST and error.filename and Path(os.fsdecode(error.filename)).is_file()
    return error.errno in _LOCKED or bool(in_the_way)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
