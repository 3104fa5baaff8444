"""Paths that users write, and paths of the files that a run writes."""

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


def user_path(text: str | os.PathLike[str]) -> Path:
    """Return the path that ``text`` names, with ``~`` and ``~user`` replaced by the home folder.

    A file whose name begins with ``~`` is found too.

    Raises:
        HooklineError: There is no such user, no home folder, or the text is the address of a server.
    """
    given = os.fspath(text)
    if "://" in given and not os.path.lexists(given):
        raise HooklineError(f"{shown(given)} is an address, not a path", "give a path on this machine")
    if not given.startswith("~"):
        return Path(given)
    head = given.partition("/")[0]
    path = os.path.expanduser(given)  # noqa: PTH111  Path.expanduser raises a RuntimeError
    if not path.startswith("~") and (head != "~" or os.environ.get("HOME") != ""):
        return Path(path)
    if os.path.lexists(given):
        return Path(given)
    if head == "~":
        message, hint = f"there is no home folder for {shown(given)}", "set HOME, or write an absolute path"
    else:
        message, hint = (
            f"there is no user {shown(head[1:])} for {shown(given)}",
            f"write './{given}' for a name with '~'",
        )
    raise HooklineError(message, hint)


def path_of(text: str) -> Path:
    """Return the path that a text file names, with ``~`` expanded.

    Text files are UTF-8, names of files are in the system's encoding: in an ASCII locale the bytes are kept. Unlike
    :func:`user_path`, it raises nothing: a user that does not exist is part of a name that is not there.
    """
    return Path(os.path.expanduser(os.fsdecode(text.encode("utf-8", "surrogateescape"))))  # noqa: PTH111  raises


def check_working_directory() -> None:
    """Refuse a working directory in which nothing can be found or made.

    Raises:
        HooklineError: It was deleted, or Hydra would read its name as an interpolation.
    """
    try:
        here = os.getcwd()  # noqa: PTH109
    except OSError as error:
        raise HooklineError(f"the working directory cannot be used ({error.strerror})", "cd to another one") from error
    if "${" in here:
        raise HooklineError(f"the working directory {shown(here)} has '${{' in its path", "cd to another one")


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
