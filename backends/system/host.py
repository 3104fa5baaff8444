"""The host that checks examine: files, environment and installed packages. Nothing is imported to examine it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import Distribution, distributions
from pathlib import Path

WSL, APPTAINER = "WSL", "Apptainer"


@dataclass(frozen=True)
class Host:
    """A host.

    Attributes:
        root: Root of its file system.
        environment: Environment variables.
        site: Folders from which Python imports packages.
    """

    root: Path = Path("/")
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    site: tuple[Path, ...] = field(default_factory=lambda: tuple(Path(entry) for entry in sys.path if entry))

    def path(self, name: str) -> Path:
        """Return the path of an absolute name, e.g. ``/proc/version``, below :attr:`root`."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str:
        """Return the content of a file; empty where it cannot be read."""
        try:
            return self.path(name).read_text(encoding="utf-8", errors="replace").replace("\0", "").strip()
        except OSError:
            return ""

    @cached_property
    def packages(self) -> Mapping[str, Distribution]:
        """Installed distributions by normalized name; of two with the same name, the one that Python imports."""
        from packaging.utils import canonicalize_name

        found: dict[str, Distribution] = {}
        for distribution in distributions(path=[str(folder) for folder in self.site]):
            found.setdefault(canonicalize_name(distribution.metadata["Name"] or ""), distribution)
        return found

    def packages_like(self, pattern: str) -> list[Distribution]:
        """Return the distributions with a name that matches a regular expression."""
        return [package for name, package in sorted(self.packages.items()) if re.fullmatch(pattern, name)]

    @property
    def wsl(self) -> bool:
        """Whether the kernel is that of WSL, in a container or not."""
        return "microsoft" in self.text("/proc/version").lower()

    @property
    def container(self) -> str:
        """Kind of container, or ``WSL``; empty on other machines."""
        named = self.environment.get("container", "")
        kinds = {
            "Kubernetes": "KUBERNETES_SERVICE_HOST" in self.environment,
            "Docker": self.path("/.dockerenv").exists(),
            "Podman": self.path("/run/.containerenv").exists(),
            APPTAINER: self.path("/.singularity.d").exists(),
            named: named not in {"", "wsl"},  # systemd sets it, and counts WSL as a container
            WSL: self.wsl,
        }
        return next((name for name, present in kinds.items() if present), "")


def with_versions(packages: Iterable[Distribution]) -> str:
    """Return names and versions in one line."""
    return ", ".join(f"{package.name} {package.version}" for package in packages)
