"""Files that several programs share."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, its folder too; whoever reads it meanwhile sees the one before. Nothing unfinished is left.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(unfinished, 0o644)  # noqa: PTH101 - others may share the cache
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def read_known(path: Path) -> bytes:
    """A file that is only a help: empty where there is none that can be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
