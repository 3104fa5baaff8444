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
"""What the package ships, by module name: the core has no static import of a stage or a backend."""

ENVIRONMENT = "HOOKLINE_PLUGINS"
"""Colon-separated modules that are plugins without being installed."""


@dataclass(frozen=True)
class PluginInfo:
    """What became of one plugin.

    Attributes:
        name: As ``plugins.disable`` takes it.
        distribution, version: What ships it.
        state: ``loaded``, ``disabled`` or ``broken``.
        hooks: The hooks that it implements.
        provides: Kind and name of its parts.
        error: Why it is broken.
        warnings: What is doubtful about it.
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
        registry: The parts that they registered.
        infos: What became of each.
        conf_packages: Plugin and package of the YAML that the ``conf`` hook yields.
        warnings: One line for whatever is doubtful about them, for the run.
    """

    manager: Hooks
    registry: Registry
    infos: list[PluginInfo] = field(default_factory=list)
    conf_packages: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Candidate:
    """A plugin that was found and not loaded yet.

    Attributes:
        origin: Who ships it.
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
    """Yield the plugins of hookline, of installed distributions, and the modules that ``listed`` names.

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
    """Yield modules as plugins. They have no version: the digest of their code is in its place."""
    from core.plugins.code import code_digest

    _make_importable()
    for name in names:
        yield Candidate(Origin(name, f"${ENVIRONMENT}", code_digest(name.partition(".")[0])[:12], name), name)


def _make_importable() -> None:
    """Find modules in the working directory, as ``python -m`` does; the script ``hookline`` would not."""
    if getattr(sys.flags, "safe_path", False):  # python -P, since 3.11
        return
    with suppress(OSError):
        folder = os.getcwd()  # noqa: PTH109
        if not {"", folder} & set(sys.path):
            sys.path.append(folder)  # last, so that no file of the user hides a library
