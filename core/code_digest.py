"""What a plugin contributes to the store's keys.

A version number stands for its code only where nobody edits the code in place.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import keyed_options
from core.digest import files_digest
from core.helper_modules import helper_modules
from core.serial import encode
from core.versions import installed

if TYPE_CHECKING:
    from core.context import RunContext
    from core.registry import Origin

COMPILED = "__pycache__"


def code_digest(package: str, cache_dir: Path | None = None) -> str:
    """Return the SHA-256 over all files of a package, hexadecimal; empty where it has no files.

    Args:
        package: Importable name. Of a single-file module, the file and the modules next to it that it imports.
        cache_dir: Where the digests of single files are kept between runs.
    """
    return files_digest(_files(package), cache_dir)


@lru_cache
def is_edited_in_place(distribution: str, package: str) -> bool:
    """Return whether the files of an installed distribution can change without a new version.

    True for an editable installation, and for a checkout that is run without being installed.

    Args:
        distribution: Name of the installed distribution.
        package: Importable name of its top-level package.
    """
    try:
        installed = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return True
    if installed.read_text("RECORD") is None:  # what a build leaves in a checkout
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
    """Name inside the package, and path, of each file; in an order that does not depend on the file system.

    A module that is no package has the modules next to it that it imports.
    """
    for place in _places(package):
        if place.is_file():
            yield place.name, place
            for helper in sorted(helper_modules(place)):
                yield from _inside(helper, place.parent) if helper.is_dir() else [(helper.name, helper)]
        else:
            yield from _inside(place, place)


def _inside(folder: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """Name below ``root``, and path, of each file in a folder that is not hidden."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(root)
        hidden = any(part.startswith(".") or part == COMPILED for part in inside.parts)
        if not hidden and path.is_file():
            yield inside.as_posix(), path


def author(origin: Origin, cache_dir: Path) -> tuple[str, str]:
    """Return who ships a stage or part, and the digest of its code where the version does not stand for it.

    Args:
        origin: Who registered it.
        cache_dir: For digests.
    """
    edited = not origin.installed or is_edited_in_place(origin.distribution, origin.package)
    return str(origin), code_digest(origin.code, cache_dir) if origin.code and edited else ""


def part_facts(
    kind: str, name: str, context: RunContext, *, versioned: bool = True, measured: bool = False
) -> dict[str, object]:
    """Return what a result depends on that a part shapes: who ships it, its code, its options and packages.

    Args:
        kind: Of the part, e.g. ``runtimes``.
        name: Of the part.
        context: For the part, its options, and the cache of digests.
        versioned: Another version of the part's packages gives another result.
        measured: The result contains times, so that options count which change nothing else, e.g. ``threads``.
    """
    options = encode if measured else keyed_options
    return {
        "by": author(context.registry.origin(kind, name), context.cache_dir),
        "options": options(context.options(kind, name)),
        "packages": installed(context.registry.part(kind, name).packages) if versioned else {},
    }
