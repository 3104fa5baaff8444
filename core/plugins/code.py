"""Digest of the code of a plugin: its package, or the modules of a single-file plugin."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import all_suffixes
from pathlib import Path

from core.plugins.imports import imported_modules
from core.process.installation import HOME, NAME, PACKAGES
from core.storage.digest import files_digest

OURS = frozenset({NAME, *PACKAGES})
"""Packages of hookline, in the folder :data:`HOME`. Every key has the version of hookline."""
SOURCE = ".py"
COMPILED = "__pycache__"


def helper_modules(module: Path) -> Iterator[Path]:
    """Yield the files of modules and the folders of packages that a module imports from its own directory.

    Modules that these import from the same directory are included. In a directory with installed distributions, e.g.
    site-packages, modules belong to others, and the result is empty.

    Args:
        module: The file of the module.
    """
    folder = module.parent
    if _has_distributions(folder):
        return
    seen, waiting = {module.name.partition(".")[0]}, [module]
    while waiting:
        for name in _imported(waiting.pop()):
            if name in seen or (name in OURS and folder.resolve() == HOME):
                continue
            seen.add(name)
            for place in _module_files(folder, name):
                yield place
                waiting += sorted(place.rglob(f"*{SOURCE}")) if place.is_dir() else [place]


def _has_distributions(folder: Path) -> bool:
    standard = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return str(folder) in standard or any(folder.glob("*.dist-info"))


def _module_files(folder: Path, name: str) -> list[Path]:
    """Return the folder of a package, or the source and compiled files of a module."""
    package = folder / name
    if (package / f"__init__{SOURCE}").is_file():
        return [package]
    return [file for suffix in all_suffixes() if (file := folder / f"{name}{suffix}").is_file()]


def _imported(file: Path) -> list[str]:
    """Return the top-level names of the imports of a source file, without repetition."""
    modules = imported_modules(file) if file.suffix == SOURCE else ()  # not a compiled one
    return list(dict.fromkeys(name.partition(".")[0] for name in modules))


def code_digest(package: str, cache_dir: Path | None = None) -> str:
    """Return the SHA-256 over all files of a package, hexadecimal; empty if it has no files.

    Args:
        package: Importable name. For a single-file module, the digest includes the modules next to it that it imports.
        cache_dir: Folder of the cache of digests of single files.
    """
    return files_digest(_files(package), cache_dir)


@lru_cache
def is_edited_in_place(distribution: str, package: str) -> bool:
    """Return whether the files of an installed distribution can change without a new version.

    True for an editable installation and for a checkout that is not installed.

    Args:
        distribution: Name of the installed distribution.
        package: Importable name of its top-level package.
    """
    try:
        installed = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return True
    if installed.read_text("RECORD") is None:  # metadata of a build in a checkout
        return True
    try:
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
    except ValueError:
        origin = {}
    if isinstance(origin, dict) and origin.get("dir_info", {}).get("editable"):
        return True
    root = Path(str(installed.locate_file(""))).resolve()
    return any(root not in place.resolve().parents for place in _places(package))


def _places(package: str) -> tuple[Path, ...]:
    """Return the directories of a package, or the file of a module."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    if spec.submodule_search_locations is not None:
        return tuple(map(Path, spec.submodule_search_locations))
    return (Path(spec.origin),) if spec.origin else ()


def _files(package: str) -> Iterator[tuple[str, Path]]:
    """Yield the name inside the package and the path of each file, in an order independent of the file system.

    The files of a single-file module include the modules next to it that it imports.
    """
    for place in _places(package):
        if place.is_file():
            yield place.name, place
            for helper in sorted(helper_modules(place)):
                yield from _inside(helper, place.parent) if helper.is_dir() else [(helper.name, helper)]
        else:
            yield from _inside(place, place)


def _inside(folder: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name below ``root`` and the path of each file in a folder, hidden ones excluded."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(root)
        hidden = any(part.startswith(".") or part == COMPILED for part in inside.parts)
        if not hidden and path.is_file():
            yield inside.as_posix(), path
