"""Paths as users write them, on the command line and in text files: ``~`` stands for a home folder."""

from __future__ import annotations

import os
from pathlib import Path

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
