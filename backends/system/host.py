"""The machine that checks look at: its files, environment and installed packages.

Nothing is imported for looking: packages are read from the names of their metadata folders.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """An installed distribution.

    Attributes:
        name: Normalised: lower case, with hyphens.
        version: As its metadata folder says.
        metadata: That folder (or egg-info file).
    """

    name: str
    version: str
    metadata: Path

    @property
    def site(self) -> Path:
        """The folder that it is installed into."""
        return self.metadata.parent


def _search_path() -> tuple[Path, ...]:
    return tuple(dict.fromkeys(Path(entry) for entry in sys.path if entry))


@dataclass(frozen=True)
class Host:
    """A machine.

    Attributes:
        root: Root of its file system.
        environment: Its environment variables.
        site: Folders that Python packages are imported from.
    """

    root: Path = Path("/")
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    site: tuple[Path, ...] = field(default_factory=_search_path)

    def path(self, place: str) -> Path:
        """An absolute place below :attr:`root`."""
        return self.root / place.lstrip("/")

    def text(self, place: str) -> str:
        """What a file holds; empty where it cannot be read."""
        try:
            return self.path(place).read_text(encoding="utf-8", errors="replace").replace("\0", "").strip()
        except OSError:
            return ""

    def brief(self, path: str | Path) -> str:
        """A path without the long way to the folder of the Python packages."""
        for folder in self.site:
            if folder.name in {"site-packages", "dist-packages"} and Path(path).is_relative_to(folder):
                return str(Path(folder.name) / Path(path).relative_to(folder))
        return str(path)

    @cached_property
    def packages(self) -> Mapping[str, Package]:
        """Installed distributions by normalised name; of two, the one that is imported."""
        found: dict[str, Package] = {}
        for folder in self.site:
            for package in _packages_in(folder):
                found.setdefault(package.name, package)
        return found

    def packages_like(self, pattern: str) -> list[Package]:
        """Packages whose whole name matches a regular expression, by name."""
        return sorted(
            (package for name, package in self.packages.items() if re.fullmatch(pattern, name)),
            key=lambda package: package.name,
        )


def listed(packages: list[Package]) -> str:
    """Names and versions in one line."""
    return ", ".join(f"{package.name} {package.version}" for package in packages)


def _packages_in(folder: Path) -> Iterator[Package]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.suffix in {".dist-info", ".egg-info"} and "-" in entry.stem:
            name, version = entry.stem.split("-")[:2]
            yield Package(re.sub(r"[-_.]+", "-", name).lower(), version, entry)
