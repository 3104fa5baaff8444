"""The YAML files of plugins: of two with one path, Hydra would silently take the first."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from core.containment.calls import Fault
from core.errors import shown
from core.kinds.lookup import PROJECT

OWN_YAML = "conf"
"""The package of YAML files that hookline ships."""


class SharedYaml:
    """YAML files by path, with their plugins."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def check(self, plugin: str, packages: Mapping[str, Mapping[str, Path]]) -> None:
        """Refuse a file with a path that another plugin has.

        Raises:
            Fault: Names both plugins.
        """
        if packages and not self._owners:
            self._owners = dict.fromkeys(yaml_files(OWN_YAML), PROJECT)
        for files in packages.values():
            for name, file in files.items():
                if owner := self._owners.get(name):
                    raise Fault(f"plugins '{owner}' and '{plugin}' both ship the YAML file '{name}'", f"{file}:1")

    def add(self, plugin: str, packages: Mapping[str, Mapping[str, Path]]) -> None:
        """Store the files of a plugin."""
        for files in packages.values():
            self._owners |= dict.fromkeys(files, plugin)


def yaml_files(package: object) -> dict[str, Path]:
    """Return the YAML files of an importable package, by their path in it.

    Raises:
        ImportError: The package cannot be imported.
        Fault: The value is not the name of a package, or the package has no folder.
    """
    if not isinstance(package, str):
        raise Fault(f"it must yield names of packages, not {shown(package)}")
    folder = Path(str(resources.files(package)))
    if not folder.is_dir():
        raise Fault(f"{shown(package)} is not a package with a folder: it needs an __init__.py")
    return {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*.yaml"))}
