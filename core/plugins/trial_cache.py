"""Cache of the plugins that passed their trial, by distribution, version and state of all their files.

A broken plugin is tried again at each start, because the cause can be the machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from core.files.paths import write_file
from core.kinds.lookup import Origin
from core.storage.digest import text_digest
from core.version import __version__

FOLDER = "plugins"
SUFFIXES = (".py", ".yaml", ".yml")
MAX_FILES = 5000
"""Maximum number of files of a cached plugin; one with more files is tried at each start."""


def state_of(origin: Origin, files: Iterable[str]) -> str:
    """Return everything that the result of a trial depends on; empty if the files of the plugin are unknown.

    Args:
        origin: The plugin.
        files: Files outside its package, e.g. a module of another package that declares options.
    """
    lines = [
        f"{origin} {origin.module}",
        f"hookline {__version__} Python {sys.version}",
        *_lines(_python_files(Path(__file__).parents[1])),
    ]
    own = list(islice(_own_files(origin.package), MAX_FILES + 1))
    if not own or len(own) > MAX_FILES:
        return ""
    return "\n".join([*lines, *_lines(own), *_lines(sorted(set(files)))])


def has_passed(folder: Path, origin: Origin, state: str) -> bool:
    """Return whether a plugin passed its trial in this state."""
    with suppress(OSError):
        return bool(state) and _file(folder, origin).read_bytes() == state.encode("utf-8", "surrogateescape")
    return False


def remember(folder: Path, origin: Origin, state: str) -> None:
    """Store that a plugin passed its trial in this state. If the folder is read-only, nothing is stored."""
    if not state:
        return
    file = _file(folder, origin)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, state.encode("utf-8", "surrogateescape"))


def _file(folder: Path, origin: Origin) -> Path:
    return folder / FOLDER / text_digest(f"{origin.distribution}\0{origin.plugin}")[:32]


def _own_files(package: str) -> Iterator[str]:
    """Yield the Python and YAML files of a top-level package, or the file of a module."""
    module = sys.modules.get(package)
    folders = list(getattr(module, "__path__", ()))
    for folder in folders:
        yield from _python_files(Path(folder))
    file = getattr(module, "__file__", None)
    if not folders and isinstance(file, str):
        yield file


def _python_files(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        yield from (os.path.join(place, name) for name in sorted(names) if name.endswith(SUFFIXES))  # noqa: PTH118


def _lines(files: Iterable[str]) -> Iterator[str]:
    """Yield the state of each file. It has the change time, which a program cannot set, unlike size and mtime."""
    for file in files:
        try:
            status = Path(file).stat()
        except OSError:
            yield f"{file} missing"
        else:
            yield f"{file} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
