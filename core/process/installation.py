"""Checks that ``core``, ``conf``, ``stages`` are hookline's packages: other distributions use these names too.

It imports the standard library only: the console script loads this file by its path, since the package ``core`` may
belong to another distribution.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

NAME = "hookline"
PACKAGES = ("core", "stages", "backends", "cuda_plugins", "conf")
MARKED = {"conf": "config.yaml"}
"""Per package a file besides ``__init__.py`` that contains the name hookline and that others may overwrite."""
HOME = Path(__file__).resolve().parents[2]
REINSTALL = f"uninstall it and run `pip install --force-reinstall {NAME}`, or install {NAME} into its own environment"


def unsupported_system() -> str:
    """Return why hookline does not run on this operating system, in one line; empty on Linux."""
    if sys.platform == "linux":
        return ""
    import platform

    way = "on Windows use WSL 2" if sys.platform == "win32" else "use a Linux machine or container"
    return f"{NAME} runs on Linux only, and this is {platform.system() or sys.platform}; {way} (docs/installation.md)"


def replaced_package() -> str:
    """Return in one line which package is not hookline's, and why; empty if all are. Nothing is imported."""
    for name in PACKAGES:
        found = _location(name)
        if found is None:
            return f"the package '{name}' of {NAME} is missing; run `pip install --force-reinstall {NAME}`"
        if (found / "__init__.py").resolve().parent != HOME / name:
            return (
                f"the package '{name}' of {NAME} is hidden by '{found}'{_owners(name)}; remove that folder from "
                f"sys.path (PYTHONPATH, the working directory), or install {NAME} into its own environment"
            )
        if not all(_names_hookline(found / file) for file in ("__init__.py", MARKED.get(name, "__init__.py"))):
            problem = f"another distribution{_owners(name)} has overwritten the package '{name}' of {NAME}"
            return f"{problem}; {REINSTALL}"
    return ""


def overwritten_file() -> str:
    """Return in one line which file of hookline another distribution has overwritten; empty if none is found.

    It is slower than :func:`replaced_package`; call it only if a package of hookline cannot be imported.
    """
    for file in _changed_files():
        for other in importlib.metadata.distributions():
            if other.name != NAME and any(str(item) == file for item in other.files or ()):
                return f"{other.name} {other.version} has overwritten the file '{file}' of {NAME}; {REINSTALL}"
    return ""


def _location(name: str) -> Path | None:
    """Return the folder from which a package is imported."""
    spec = importlib.util.find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def _names_hookline(file: Path) -> bool:
    try:
        return NAME in file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _owners(name: str) -> str:
    # packages_distributions() of Python 3.10 sees only distributions with a top_level.txt.
    others = {
        item.name for item in importlib.metadata.distributions() if any(_top(file) == name for file in item.files or ())
    }
    return f" ({', '.join(sorted(others - {NAME}))})" if others - {NAME} else ""


def _top(file: importlib.metadata.PackagePath) -> str:
    return file.parts[0] if file.parts else ""


def _changed_files() -> Iterator[str]:
    """Yield the files that do not have their installed size; none for an editable installation."""
    try:
        files = importlib.metadata.distribution(NAME).files or []
    except importlib.metadata.PackageNotFoundError:
        return
    for file in files:
        path = Path(str(file.locate()))
        if file.parts[0] in PACKAGES and file.size is not None and path.is_file() and path.stat().st_size != file.size:
            yield str(file)
