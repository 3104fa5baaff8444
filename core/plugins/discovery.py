"""Find plugins: entry points, ``$HOOKLINE_PLUGINS`` and those shipped with hookline."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from core.kinds.lookup import PROJECT, Origin
from core.plugins.hooks import Hooks
from core.plugins.registry import Registry
from core.version import __version__

BUILTINS: tuple[str, ...] = (
    "core.execution.observers",
    "core.execution.summary",
    "stages.load",
    "stages.dataset",
    "stages.toy",
    "stages.train",
    "stages.convert",
    "stages.frames",
    "stages.export",
    "stages.calibrate",
    "stages.quantize",
    "stages.graft",
    "stages.build",
    "stages.predict",
    "stages.evaluate",
    "stages.compare",
    "stages.doctor",
    "backends.system.plugin",
    "backends.nvidia.plugin",
    "backends.yolov5.plugin",
    "backends.calibrators.plugin",
    "backends.graphsurgeon.plugin",
    "backends.ort.plugin",
    "backends.trt.plugin",
    "backends.trt_rtx.plugin",
    "backends.cv.plugin",
    "backends.gpu.plugin",
    "backends.trackers.plugin",
)
"""Modules of the plugins that hookline ships. They are names, because core imports no stage and no backend."""

ENVIRONMENT = "HOOKLINE_PLUGINS"
"""Environment variable with plugin modules that need not be installed, separated by colons."""


@dataclass(frozen=True)
class PluginInfo:
    """State of one plugin.

    Attributes:
        name: The name for ``plugins.disable``.
        distribution, version: The distribution of the plugin.
        state: ``loaded``, ``disabled`` or ``broken``.
        hooks: The hooks that it implements.
        provides: Kind and name of its parts.
        error: Why it is broken.
        warnings: Possible mistakes that do not stop it.
    """

    name: str
    distribution: str
    version: str
    state: str
    hooks: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    error: str = ""
    warnings: tuple[str, ...] = ()


@dataclass
class Plugins:
    """The loaded plugins.

    Attributes:
        manager: The hooks that pluggy calls.
        registry: The registered stages and parts.
        infos: The state of each plugin.
        conf_packages: Plugin and package of the YAML files from the hook ``conf``.
        warnings: Possible mistakes of plugins, one line each, which every run prints.
    """

    manager: Hooks
    registry: Registry
    infos: list[PluginInfo] = field(default_factory=list)
    conf_packages: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Candidate:
    """A plugin that was found and is not loaded yet.

    Attributes:
        origin: The plugin with its distribution.
        entry: Its entry point, or the name of its module.
    """

    origin: Origin
    entry: importlib.metadata.EntryPoint | str

    def load(self) -> object:
        """Import the plugin."""
        if isinstance(self.entry, str):
            return importlib.import_module(self.entry)
        plugin: object = self.entry.load()
        return plugin


def find_plugins(listed: str) -> Iterable[Candidate]:
    """Yield the plugins of hookline, those of installed distributions, and the modules in ``listed``.

    Args:
        listed: The value of ``$HOOKLINE_PLUGINS``: modules, separated by colons.
    """
    for module in BUILTINS:
        yield Candidate(Origin(module, PROJECT, __version__, module), module)
    for entry in sorted(importlib.metadata.entry_points(group=PROJECT), key=lambda entry: entry.name):
        distribution = entry.dist
        name, version = (distribution.name, distribution.version) if distribution else ("unknown", "0")
        yield Candidate(Origin(entry.name, name, version, entry.value.partition(":")[0].strip()), entry)
    if modules := list(filter(None, listed.split(":"))):
        yield from _modules(modules)


def _modules(names: Iterable[str]) -> Iterator[Candidate]:
    """Yield modules as plugins. They have no version, so the digest of their code takes its place."""
    from core.plugins.code import code_digest

    _make_importable()
    for name in names:
        yield Candidate(Origin(name, f"${ENVIRONMENT}", code_digest(name.partition(".")[0])[:12], name), name)


def _make_importable() -> None:
    """Add the working directory to ``sys.path``, as ``python -m`` does and the script ``hookline`` does not."""
    if getattr(sys.flags, "safe_path", False):  # python -P, since 3.11
        return
    with suppress(OSError):
        folder = os.getcwd()  # noqa: PTH109
        if not {"", folder} & set(sys.path):
            sys.path.append(folder)  # last, so that no file there hides a library
