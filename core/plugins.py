"""Loads plugins one by one, so that a broken one is named and does not stop the others.

``python -m core.plugins [--json]`` lists what is loaded, from which distribution, with its hooks.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import os
import sys
import traceback
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from core import hookspecs
from core.code_digest import code_digest
from core.errors import HooklineError, unknown
from core.hookspecs import PROJECT
from core.registry import KINDS, LISTED, Origin, Registry, check_part
from core.version import __version__

BUILTINS: tuple[str, ...] = (
    "core.narrator",
    "core.summary",
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
"""What the package ships, by module name: the core has no static import of a stage or a backend."""

ENVIRONMENT = "HOOKLINE_PLUGINS"
"""Colon-separated modules that are plugins without being installed."""


@dataclass(frozen=True)
class PluginInfo:
    """What became of one plugin. ``state`` is ``loaded``, ``disabled`` or ``broken`` (then ``error`` says why)."""

    name: str
    distribution: str
    version: str
    state: str
    hooks: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    error: str = ""


@dataclass
class Plugins:
    """The loaded plugins: the pluggy manager, the registry they filled, and what became of each."""

    manager: pluggy.PluginManager
    registry: Registry
    infos: list[PluginInfo] = field(default_factory=list)

    def conf_packages(self) -> list[tuple[str, str]]:
        """(plugin name, package) of every YAML package that the ``conf`` hook yields."""
        return [
            (implementation.plugin_name, package)
            for implementation in self.manager.hook.hookline_conf.get_hookimpls()
            for package in _yielded(implementation)
        ]


@dataclass(frozen=True)
class _Candidate:
    origin: Origin
    entry: importlib.metadata.EntryPoint | str

    def load(self) -> object:
        if isinstance(self.entry, str):
            return importlib.import_module(self.entry)
        plugin: object = self.entry.load()
        return plugin


def load_plugins(disable: Collection[str] = ()) -> Plugins:
    """Load the built-ins, the entry points of group ``hookline``, and ``$HOOKLINE_PLUGINS``.

    Args:
        disable: Names of plugins to leave out.

    Raises:
        HooklineError: Two plugins claim one name, or a disabled name does not exist.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(manager, Registry())
    candidates = list(_candidates())
    names = [candidate.origin.plugin for candidate in candidates]
    for name in disable:
        if name not in names:
            raise unknown("plugin in plugins.disable", name, names, listed=f"{LISTED} all")
    for candidate in candidates:
        plugins.infos.append(_load(plugins, candidate, disabled=candidate.origin.plugin in disable))
    return plugins


def _candidates() -> Iterable[_Candidate]:
    for module in BUILTINS:
        yield _Candidate(Origin(module, PROJECT, __version__, module.removesuffix(".plugin")), module)
    for entry in sorted(importlib.metadata.entry_points(group=PROJECT), key=lambda entry: entry.name):
        distribution = entry.dist
        name, version = (distribution.name, distribution.version) if distribution else ("unknown", "0")
        yield _Candidate(Origin(entry.name, name, version, _top_level(entry.module)), entry)
    for module in filter(None, os.environ.get(ENVIRONMENT, "").split(":")):
        package = _top_level(module)
        version = code_digest(package)[:12]  # a plugin without a version changes whenever its code does
        yield _Candidate(Origin(module, f"${ENVIRONMENT}", version, package, installed=False), module)


def _top_level(module: str) -> str:
    return module.partition(".")[0]


def _load(plugins: Plugins, candidate: _Candidate, *, disabled: bool) -> PluginInfo:
    origin = candidate.origin
    if disabled:
        return PluginInfo(origin.plugin, origin.distribution, origin.version, "disabled")
    plugin: object = None
    try:
        plugin = candidate.load()
        if former := plugins.manager.get_name(plugin):
            raise ValueError(f"it is loaded already, as '{former}'")
        plugins.manager.register(plugin, name=origin.plugin)
        hooks = _hooks(plugins.manager, plugin)
        parts = _parts(plugins.manager, plugin)
    except (Exception, SystemExit) as error:
        if plugins.manager.has_plugin(origin.plugin):
            plugins.manager.unregister(name=origin.plugin)
        reason = f"{type(error).__name__}: {' '.join(str(error).split())} ({_where(error, plugin)})"
        plugins.registry.broken.append(f"{origin}: {reason}; plugins.disable=[{origin.plugin}] leaves it out")
        return PluginInfo(origin.plugin, origin.distribution, origin.version, "broken", error=reason)
    for kind, part in parts:
        plugins.registry.add(kind, part, origin)
    provides = tuple(f"{kind}: {part.name}" for kind, part in parts)
    return PluginInfo(origin.plugin, origin.distribution, origin.version, "loaded", hooks, provides)


def _hooks(manager: pluggy.PluginManager, plugin: object) -> tuple[str, ...]:
    callers = manager.get_hookcallers(plugin) or []
    for caller in callers:
        if not caller.has_spec():
            possible = (name for name in vars(hookspecs) if name.startswith(f"{PROJECT}_"))
            raise AttributeError(str(unknown("hook", caller.name, possible)))
    return tuple(sorted(caller.name for caller in callers))


def _parts(manager: pluggy.PluginManager, plugin: object) -> list[tuple[str, Any]]:
    """What a plugin yields, checked as a whole before any of it is registered."""
    found = []
    for kind in KINDS:
        for implementation in getattr(manager.hook, f"{PROJECT}_{kind}").get_hookimpls():
            if implementation.plugin is plugin:
                found += [(kind, check_part(kind, part)) for part in _yielded(implementation)]
    return found


def _yielded(implementation: pluggy.HookImpl) -> Iterable[Any]:
    values: Any = implementation.function()
    yield from values


def _where(error: BaseException, plugin: object) -> str:
    """File and line to look at: the innermost frame outside of importlib, else the plugin's file."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    outside = [
        frame
        for frame in frames
        if Path(frame.filename).parent != Path(__file__).parent and "pluggy" not in frame.filename
    ]
    if outside:
        return f"{outside[-1].filename}:{outside[-1].lineno}"
    if isinstance(plugin, ModuleType) and plugin.__file__:
        return plugin.__file__
    return inspect.getsourcefile(type(plugin)) or "unknown file" if plugin is not None else "not found"


def _table(infos: Sequence[PluginInfo]) -> str:
    lines = []
    for info in infos:
        lines.append(f"{info.name:<28} {info.state:<9} {info.distribution} {info.version}")
        lines.extend(f"    {text}" for text in (info.error, ", ".join(info.provides), ", ".join(info.hooks)) if text)
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """List the plugins; exit code 1 when one is broken."""
    given = sys.argv[1:] if arguments is None else arguments
    wrong: list[Any] = [argument for argument in given if argument != "--json"]
    if wrong:
        print(unknown("option", wrong[0], ["--json"]), file=sys.stderr)
        return 2
    try:
        infos = load_plugins().infos
    except HooklineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps([asdict(info) for info in infos], indent=1) if "--json" in given else _table(infos))
    return 1 if any(info.state == "broken" for info in infos) else 0


if __name__ == "__main__":
    from core.streams import open_streams

    open_streams()
    sys.exit(main())
