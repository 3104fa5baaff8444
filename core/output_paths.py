"""Paths of the files that a run writes.

Names of outputs come from outside: from the user's images, videos and lists, from annotations, from the metadata of
weights, from plugins. :func:`output_path` is the only place where such a name becomes a path, so that nothing is
written outside the folder that the output belongs to.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path, PurePosixPath

from core.errors import HooklineError, shown

NAME_BYTES = 240
"""Maximum length of one name in bytes. File systems allow 255; a sidecar or a temporary file adds a few."""
SUFFIX_BYTES = 24
TEMPORARY = ".part-"
TEMPORARY_NAME = re.compile(rf"{re.escape(TEMPORARY)}[0-9a-f]{{16}}(\..*)?", re.DOTALL)
"""Names of temporary files, which a killed run leaves behind."""


def output_path(folder: Path, *names: str) -> Path:
    """Return the path of an output below ``folder``.

    Args:
        folder: The folder that the output must not leave; it belongs to the run, the store or the cache.
        names: Names of the subfolders and of the file, one component each. A component that is too long for a file
            system keeps its beginning and its suffix, with a digest between them.

    Raises:
        HooklineError: A name is not one component (empty, ``.``, ``..``, with ``/`` or NUL), or the path goes
            through a symbolic link, which could lead anywhere.
    """
    if not names:
        raise ValueError("an output needs a name")
    path = folder
    for name in names:
        path = path / _component(name, folder)
        if path.is_symlink():
            raise HooklineError(
                f"'{path}' is a symbolic link, and outputs are not written through links", "remove the link"
            )
    return path


def output_below(folder: Path, name: str) -> Path:
    """As :func:`output_path` for a relative POSIX path such as ``street/0001.jpg``."""
    return output_path(folder, *name.split("/"))


def _component(name: str, folder: Path) -> str:
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise HooklineError(
            f"cannot write an output named {shown(name)} in '{folder}'", "rename what it is named after"
        )
    encoded = os.fsencode(name)
    if len(encoded) <= NAME_BYTES:
        return name
    ending = b"~" + hashlib.sha256(encoded).hexdigest()[:12].encode() + os.fsencode(_suffix(name))
    begin = encoded[: NAME_BYTES - len(ending)].decode("utf-8", "ignore")  # never cuts a character in two
    return os.fsdecode(begin.encode() + ending)


def _suffix(name: str) -> str:
    """The suffix, by which some libraries choose a format; empty where it is too long to be one."""
    suffix = PurePosixPath(name).suffix
    return suffix if len(os.fsencode(suffix)) <= SUFFIX_BYTES else ""


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a temporary path next to ``target`` that replaces it at the end of the block.

    The temporary file is new and has a name of its own: no link is followed, and two writers do not meet. After an
    exception it is removed and ``target`` is as before.
    """
    temporary = target.with_name(f"{TEMPORARY}{secrets.token_hex(8)}{_suffix(target.name)}")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
    try:
        yield temporary
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_file(target: Path, content: bytes) -> None:
    """Write ``target`` as a whole or not at all."""
    with replacing(target) as temporary:
        temporary.write_bytes(content)


def free_path(folder: Path, name: str) -> Path:
    """Return :func:`output_path` of ``name``, or of ``name-2`` and so on where that exists: nothing is overwritten."""
    numbered = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(path for path in (folder / _component(item, folder) for item in numbered) if not os.path.lexists(path))
