"""Digest of the code of a stage or part of hookline: its package, and the modules of hookline that this imports.

A stage or backend works with modules of ``core`` and of other backends, most of which it imports inside functions. In a
checkout that is edited in place, a change of any of them may change its result, and a change of another file does not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from core.plugins import imports
from core.plugins.code import COMPILED, OURS, SOURCE
from core.plugins.imports import ImportCache, import_cache
from core.process.installation import HOME
from core.storage.digest import digest_each, file_state, text_digest

READER = f"{imports.__name__.replace('.', '/')}{SOURCE}"
"""The file that reads imports; results of another version of it are not used."""


def own_code_digest(code: str, cache_dir: Path | None = None) -> str:
    """Return the SHA-256 over the files that a package or module of hookline runs, hexadecimal.

    These are all files of the package, and the modules of hookline that they import, directly or not.

    Args:
        code: Importable name, e.g. ``stages.build``.
        cache_dir: Folder of the caches of digests and of imports by content.
    """
    states = (state for package in sorted(OURS) for state in _states(str(HOME / package), package))
    return _checkout(tuple(sorted(states)), cache_dir).digest_of(code)


def _states(folder: str, inside: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the state of each file in a folder, hidden ones excluded.

    Args:
        folder: The folder.
        inside: Its name below :data:`HOME`.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = f"{inside}/{entry.name}"
            if entry.name.startswith(".") or entry.name == COMPILED:
                continue
            if entry.is_dir():
                yield from _states(entry.path, name)
            else:
                with suppress(OSError):
                    yield name, file_state(entry.stat())


@lru_cache(maxsize=1)
def _checkout(states: tuple[tuple[str, str], ...], cache_dir: Path | None) -> _Checkout:
    """Return the files in these states; later calls for unchanged files return the same object."""
    return _Checkout([name for name, _ in states], cache_dir)


class _Checkout:
    """The files of hookline's packages in one state, by their names below :data:`HOME`.

    Args:
        names: Names of the files.
        cache_dir: Folder of the caches.
    """

    def __init__(self, names: Sequence[str], cache_dir: Path | None) -> None:
        self._cache_dir = cache_dir
        self._digests = dict(zip(names, digest_each(map(HOME.joinpath, names), cache_dir), strict=True))
        self._imported: dict[str, frozenset[str]] = {}
        self._known: dict[str, str] = {}

    def digest_of(self, code: str) -> str:
        """Return :func:`own_code_digest`."""
        if code not in self._known:
            lines = (f"{name}\0{self._digests[name]}\n" for name in sorted(self._closure(code)))
            self._known[code] = text_digest("".join(lines))
        return self._known[code]

    def _closure(self, code: str) -> set[str]:
        """Return the files that a package or module runs."""
        found = {*self._files_of(code), *self._below(code)}
        waiting = sorted(found)
        reader = self._digests.get(READER, "")
        with import_cache(self._cache_dir, reader) as cache:
            while waiting:
                new = self._imported_by(waiting.pop(), cache) - found
                found |= new
                waiting += new
        return found

    def _imported_by(self, name: str, cache: ImportCache) -> frozenset[str]:
        """Return the files of hookline that a file imports directly."""
        if name not in self._imported:
            modules = cache.modules(HOME / name, self._digests[name]) if name.endswith(SOURCE) else ()
            self._imported[name] = frozenset(file for module in modules for file in self._files_of(module))
        return self._imported[name]

    def _files_of(self, module: str) -> Iterator[str]:
        """Yield the files that the import of a module runs: the module and the packages that contain it.

        The CUDA source in ``kernels`` with the name of the module is included: the module launches its kernels.
        """
        names = module.split(".")
        for count in range(1, len(names) + 1):
            place = "/".join(names[:count])
            folder, _, name = place.rpartition("/")
            possible = (f"{place}/__init__{SOURCE}", f"{place}{SOURCE}", f"{folder}/kernels/{name}.cu")
            yield from (file for file in possible if file in self._digests)

    def _below(self, package: str) -> Iterator[str]:
        folder = package.replace(".", "/")
        return (name for name in self._digests if name.startswith(f"{folder}/"))
