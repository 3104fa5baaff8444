"""Paths in options and text files, and paths of outputs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path, PurePosixPath

from core.errors import HooklineError, shown


def user_path(text: str | os.PathLike[str]) -> Path:
    """Return the path in an option, with ``~`` and ``~user`` expanded.

    A file with a name that begins with ``~`` is found too.

    Raises:
        HooklineError: The user or the home folder does not exist, or the text is a URL.
    """
    given = os.fspath(text)
    if "://" in given and not os.path.lexists(given):
        raise HooklineError(f"{shown(given)} is a URL, not a path", "give a path on this machine")
    if not given.startswith("~"):
        return Path(given)
    head = given.partition("/")[0]
    path = os.path.expanduser(given)  # noqa: PTH111  Path.expanduser raises a RuntimeError
    if not path.startswith("~") and (head != "~" or os.environ.get("HOME") != ""):
        return Path(path)
    if os.path.lexists(given):
        return Path(given)
    if head == "~":
        raise HooklineError(f"no home folder for {shown(given)}", "set HOME, or give an absolute path")
    raise HooklineError(
        f"no user named {shown(head[1:])} for {shown(given)}", f"write './{given}' for a name that begins with '~'"
    )


def path_of(text: str) -> Path:
    """Return a path from a text file, with ``~`` expanded.

    The text is UTF-8; in another locale the path keeps its bytes. Unlike :func:`user_path`, it raises no errors: the
    ``~`` of an unknown user stays in the path.
    """
    return Path(os.path.expanduser(os.fsdecode(text.encode("utf-8", "surrogateescape"))))  # noqa: PTH111  raises


def check_working_directory() -> None:
    """Refuse a working directory that was deleted, or in which Hydra would read an interpolation.

    Raises:
        HooklineError: The directory cannot be used.
    """
    try:
        here = os.getcwd()  # noqa: PTH109
    except OSError as error:
        raise HooklineError(
            f"cannot use the working directory ({error.strerror})", "change to another directory"
        ) from error
    if "${" in here:
        raise HooklineError(f"the working directory {shown(here)} has '${{' in its path", "change to another directory")


NAME_BYTES = 240
"""Maximum length of a file name in bytes. File systems allow 255; sidecars and temporary files add a few."""
SUFFIX_BYTES = 24
"""Maximum length of a suffix in bytes."""
TEMPORARY = ".part-"
TEMPORARY_NAME = re.compile(rf"{re.escape(TEMPORARY)}[0-9a-f]{{16}}(\..*)?", re.DOTALL)
"""Pattern of the names of temporary files, which a killed run leaves behind."""


def output_path(folder: Path, *names: str) -> Path:
    """Return the path of an output below ``folder``.

    Args:
        folder: A folder of the run, the store or the cache; the output stays below it.
        names: Names of the subfolders and of the file, one component each. A component that is too long for a file
            system keeps its beginning and its suffix, with a digest between them.

    Raises:
        HooklineError: A name is not one component (empty, ``.``, ``..``, with ``/`` or NUL), or the path contains a
            symbolic link below ``folder``.
    """
    if not names:
        raise ValueError("no name of an output")
    path = folder
    for name in names:
        path = path / _component(name, folder)
        if path.is_symlink():
            raise HooklineError(
                f"'{path}' is a symbolic link; outputs are not written through links", "remove the link"
            )
    return path


def output_below(folder: Path, name: str) -> Path:
    """Return :func:`output_path` of a relative POSIX path such as ``street/0001.jpg``."""
    return output_path(folder, *name.split("/"))


def _component(name: str, folder: Path) -> str:
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise HooklineError(
            f"cannot write an output named {shown(name)} in '{folder}'", "rename the input of this name"
        )
    encoded = os.fsencode(name)
    if len(encoded) <= NAME_BYTES:
        return name
    import hashlib

    ending = b"~" + hashlib.sha256(encoded).hexdigest()[:12].encode() + os.fsencode(_suffix(name))
    begin = encoded[: NAME_BYTES - len(ending)].decode("utf-8", "ignore")  # drops an incomplete character
    return os.fsdecode(begin.encode() + ending)


def _suffix(name: str) -> str:
    """Return the suffix, by which some libraries choose a format; empty if it is too long."""
    suffix = PurePosixPath(name).suffix
    return suffix if len(os.fsencode(suffix)) <= SUFFIX_BYTES else ""


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path next to ``target`` that replaces it at the end of the block.

    The temporary file is new and its name unique: no link is followed, and two writers do not conflict. An exception
    removes it and leaves ``target`` unchanged.
    """
    import secrets

    temporary = target.with_name(f"{TEMPORARY}{secrets.token_hex(8)}{_suffix(target.name)}")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
    try:
        yield temporary
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_file(target: Path, content: bytes) -> None:
    """Write ``target`` atomically."""
    with replacing(target) as temporary:
        temporary.write_bytes(content)


def free_path(folder: Path, name: str) -> Path:
    """Return ``folder/name``, or ``name-2`` and so on if it exists. No existing file is overwritten."""
    paths = (folder / _component(item, folder) for item in numbered(name))
    return next(path for path in paths if not os.path.lexists(path))


def numbered(name: str, suffix: str = "") -> Iterator[str]:
    """Yield ``name``, ``name-2``, ``name-3`` and so on, each with ``suffix``; the caller takes the first free one."""
    yield name + suffix
    for number in count(2):
        yield f"{name}-{number}{suffix}"
