"""Whether ``core``, ``conf``, ``stages`` are the packages of hookline: other distributions use these names too.

Uses the standard library alone, and no other module of ``core``: the console script loads this file by its path, since
the package ``core`` may be somebody else's.
"""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

NAME = "hookline"
PACKAGES = ("core", "stages", "backends", "cuda_plugins", "conf")
MARKED = {"conf": "config.yaml"}
"""A file of a package, besides its ``__init__.py``, that names hookline and that another package may bring too."""
HOME = Path(__file__).resolve().parents[2]
REINSTALL = f"uninstall it and run `pip install --force-reinstall {NAME}`, or give {NAME} an environment of its own"


def unsupported_system() -> str:
    """Return why hookline does not run on this operating system, in one line; empty on Linux."""
    if sys.platform == "linux":
        return ""
    way = "on Windows use WSL 2" if sys.platform == "win32" else "use a Linux machine or container"
    return f"{NAME} runs on Linux only, and this is {platform.system() or sys.platform}; {way} (docs/installation.md)"


def replaced_package() -> str:
    """Return why a package is not that of hookline, in one line; empty where all are. Imports none of them."""
    for name in PACKAGES:
        found = _location(name)
        if found is None:
            return f"the package '{name}' of {NAME} is missing; run `pip install --force-reinstall {NAME}`"
        if (found / "__init__.py").resolve().parent != HOME / name:
            return (
                f"the package '{name}' of {NAME} is hidden by '{found}'{_brought_by(name)}; take that folder off "
                f"sys.path (PYTHONPATH, the working directory), or give {NAME} an environment of its own"
            )
        if not all(_names_us(found / file) for file in ("__init__.py", MARKED.get(name, "__init__.py"))):
            what = f"another distribution{_brought_by(name)} has overwritten the package '{name}' of {NAME}"
            return f"{what}; {REINSTALL}"
    return ""


def overwritten_file() -> str:
    """Return which file of hookline another distribution has overwritten, in one line; empty where none is known.

    Takes longer than :func:`replaced_package`: for when something does not work.
    """
    for file in _changed_files():
        for other in importlib.metadata.distributions():
            if other.name != NAME and any(str(item) == file for item in other.files or ()):
                return f"{other.name} {other.version} has overwritten the file '{file}' of {NAME}; {REINSTALL}"
    return ""


def _location(name: str) -> Path | None:
    """The folder from which a package is imported."""
    spec = importlib.util.find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def _names_us(file: Path) -> bool:
    try:
        return NAME in file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _brought_by(name: str) -> str:
    others = set(importlib.metadata.packages_distributions().get(name, ())) - {NAME}
    return f" ({', '.join(sorted(others))})" if others else ""


def _changed_files() -> Iterator[str]:
    """Files whose size is not the one that they were installed with; none of an editable installation."""
    try:
        files = importlib.metadata.distribution(NAME).files or []
    except importlib.metadata.PackageNotFoundError:
        return
    for file in files:
        path = Path(str(file.locate()))
        if file.parts[0] in PACKAGES and file.size is not None and path.is_file() and path.stat().st_size != file.size:
            yield str(file)
