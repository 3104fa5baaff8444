"""The files that a plugin of a single file consists of: the module, and the modules next to it that it imports.

The import statements decide, wherever they stand: the heavy half of a plugin is imported by a function, later than the
plugin. A module whose name is computed is not found.
"""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from importlib.machinery import all_suffixes
from pathlib import Path

IMPORTING = frozenset({"__import__", "found_at", "import_module"})
"""Functions whose first argument names a module: ``import_module("heavy")``, ``found_at("heavy:load")``."""
OURS = frozenset({"hookline", "core", "conf", "stages", "backends", "cuda_plugins"})
"""Packages whose version is in every key."""
ROOT = Path(__file__).resolve().parent.parent
"""The folder of :data:`OURS`."""
SOURCE = ".py"


def helper_modules(module: Path) -> Iterator[Path]:
    """Yield the files of modules and the folders of packages that a module imports from its own directory.

    Those that they import from there count too. A directory into which distributions are installed has none: its
    modules belong to others.

    Args:
        module: File of the module.
    """
    folder = module.parent
    if _has_distributions(folder):
        return
    seen, waiting = {module.name.partition(".")[0]}, [module]
    while waiting:
        for name in _imported(waiting.pop()):
            if name in seen or (name in OURS and folder.resolve() == ROOT):
                continue
            seen.add(name)
            for place in _places(folder, name):
                yield place
                waiting += sorted(place.rglob(f"*{SOURCE}")) if place.is_dir() else [place]


def _has_distributions(folder: Path) -> bool:
    standard = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return str(folder) in standard or any(folder.glob("*.dist-info"))


def _places(folder: Path, name: str) -> list[Path]:
    """Return the folder of a package, or the files of a module: its source, or what it was compiled to."""
    package = folder / name
    if (package / f"__init__{SOURCE}").is_file():
        return [package]
    return [file for suffix in all_suffixes() if (file := folder / f"{name}{suffix}").is_file()]


def _imported(file: Path) -> list[str]:
    """Return the top-level names of the modules that a source file imports, each once."""
    if file.suffix != SOURCE:  # compiled
        return []
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):  # importing it fails, too
        return []
    modules = (name for node in ast.walk(tree) for name in _modules(node))
    return list(dict.fromkeys(name.partition(":")[0].partition(".")[0] for name in modules))


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module] if node.module and not node.level else []
    if isinstance(node, ast.Call) and node.args:
        function, first = node.func, node.args[0]
        called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if called in IMPORTING and isinstance(first, ast.Constant) and isinstance(first.value, str):
            return [first.value]
    return []
