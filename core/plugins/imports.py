"""The modules that a Python source file imports, read from its syntax tree and cached by the content of the file."""

from __future__ import annotations

import ast
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TypeGuard

from core.storage.digest_cache import open_cache

IMPORTING = frozenset({"__import__", "found_at", "import_module"})
"""Functions with the name of a module as first argument: ``import_module("heavy")``, ``found_at("heavy:load")``."""
TYPES_ONLY = "TYPE_CHECKING"
CACHE_NAME = "imports.sqlite"
COLUMNS = "sha256 TEXT, reader TEXT, modules TEXT"


def imported_modules(file: Path) -> list[str]:
    """Return the dotted names that a source file imports, without repetition; none for a file that cannot be parsed.

    Imports inside functions count. Relative imports and those under ``if TYPE_CHECKING:`` do not. Of ``from a import
    b`` the name is ``a.b``, whether ``b`` is a module or not.

    Args:
        file: The source file.
    """
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):  # the import of the file fails too
        return []
    return list(dict.fromkeys(name for node in _running(tree) for name in _modules(node)))


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, without those that only type checkers read."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.orelse if _is_for_types(node) else ast.iter_child_nodes(node)


def _is_for_types(node: ast.AST) -> TypeGuard[ast.If]:
    """Return whether a node is ``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and _last_name(node.test) == TYPES_ONLY


def _last_name(node: ast.AST) -> str:
    """Return ``b`` of the expressions ``b`` and ``a.b``, and an empty text of others."""
    return node.attr if isinstance(node, ast.Attribute) else str(getattr(node, "id", ""))


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names] if node.module and not node.level else []
    if isinstance(node, ast.Call) and node.args:
        first = node.args[0]
        if _last_name(node.func) in IMPORTING and isinstance(first, ast.Constant) and isinstance(first.value, str):
            return [first.value.partition(":")[0]]
    return []


class ImportCache:
    """The table of imports by content. Without a connection it is empty and discards new ones.

    Args:
        connection: The database.
        reader: Version of :func:`imported_modules`; what other versions found is ignored.
    """

    def __init__(self, connection: sqlite3.Connection | None, reader: str) -> None:
        self._connection = connection
        self._reader = reader
        self._new: list[tuple[str, str, str]] = []

    def modules(self, file: Path, digest: str) -> list[str]:
        """Return the :func:`imported_modules` of a file; each content is parsed once.

        Args:
            file: The source file.
            digest: SHA-256 of its content; empty if it is unreadable.
        """
        known = self._look_up(digest)
        if known is None:
            known = " ".join(imported_modules(file))
            self._new.append((digest, self._reader, known))
        return known.split()

    def _look_up(self, digest: str) -> str | None:
        query = "SELECT modules FROM imports WHERE sha256=? AND reader=?"
        with suppress(sqlite3.Error):
            row = self._connection.execute(query, (digest, self._reader)).fetchone() if self._connection else None
            return str(row[0]) if row else None
        return None

    def write(self) -> None:
        """Write the new imports in one short transaction."""
        if self._connection is not None and self._new:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO imports VALUES (?, ?, ?)", self._new)


@contextmanager
def import_cache(cache_dir: Path | None, reader: str) -> Iterator[ImportCache]:
    """Open the cache of a folder, which may be damaged or locked; None: an empty one that is not kept.

    Args:
        cache_dir: The folder, ``context.cache_dir``.
        reader: Version of :func:`imported_modules`.
    """
    connection = open_cache(cache_dir / CACHE_NAME, "imports", COLUMNS, "sha256, reader") if cache_dir else None
    cache = ImportCache(connection, reader)
    with closing(connection) if connection else nullcontext():
        yield cache
        with suppress(sqlite3.Error):
            cache.write()
