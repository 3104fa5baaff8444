"""Load plugins one by one, so that a broken plugin is named and the others work.

``python -m core.plugins [--json]`` lists the plugins with their distributions and hooks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from core.containment.calls import Fault, PluginError, contained, module_location, source_location, unchanged_state
from core.errors import HooklineError, shown, unknown
from core.kinds.lookup import PROJECT, Origin
from core.kinds.model import ModelFamily
from core.kinds.table import KINDS, Descriptor, check_part, declared_options
from core.plugins.discovery import ENVIRONMENT, Candidate, PluginInfo, Plugins, find_plugins
from core.plugins.hooks import Hooks
from core.plugins.registry import LISTED, Registry
from core.plugins.shared_yaml import SharedYaml, yaml_files
from core.process.environment import cache_home


def load_plugins(disable: Collection[str] = (), modules: str | None = None) -> Plugins:
    """Load the built-ins, the entry points of group ``hookline``, and ``$HOOKLINE_PLUGINS``.

    Args:
        disable: Names of plugins to leave out.
        modules: Replaces the value of ``$HOOKLINE_PLUGINS``.

    Raises:
        HooklineError: No plugin has a name in ``disable``.
    """
    candidates = list(find_plugins(os.environ.get(ENVIRONMENT, "") if modules is None else modules))
    names = [candidate.origin.plugin for candidate in candidates]
    for name in disable:
        if name not in names:
            raise unknown("plugin in plugins.disable", name, names, listed=f"{LISTED} all")
    loading = _Loading(Plugins(Hooks(), Registry()))
    loading.plugins.registry.disabled = tuple(disable)
    with loading.plugins.manager.reporting(loading.plugins.warnings.append):
        wanted = [candidate for candidate in candidates if candidate.origin.plugin not in disable]
        imported = [candidate for candidate in wanted if loading.load(candidate)]  # all wrappers before any part
        for candidate in imported:
            loading.register(candidate.origin)
    loading.plugins.infos.extend(
        loading.infos.get(candidate, _info(candidate.origin, "disabled")) for candidate in candidates
    )
    return loading.plugins


def load_alone(plugin: object, origin: Origin, registry: Registry) -> None:
    """Register the stages and parts of one plugin that need not be installed. For tests of plugins.

    Args:
        plugin: A module, or an object with methods that are hooks.
        origin: The distribution of the plugin; a plugin of another distribution than hookline is tried as at start-up.
        registry: Gets the stages and parts.

    Raises:
        HooklineError: The plugin has a mistake; names hook, file and line.
    """
    from core.plugins.trial import try_parts, try_yaml

    manager = Hooks()
    with contained(origin, "", source_location(plugin)):
        if unmarked := manager.add(plugin, origin):
            raise Fault("; ".join(unmarked))
    parts, packages = _parts(manager, origin), _packages(manager, origin)
    with contained(origin, ""):
        _check_free(parts, registry)
        if origin.outside:
            try_yaml(file for files in packages.values() for file in files.values())
            try_parts([(found.kind, found.part, found.location) for found in parts], origin, registry)
    for found in parts:
        registry.add(found.kind, found.part, found.origin)


class _Loading:
    """Loads plugins one by one; removes and names each that fails."""

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.infos: dict[Candidate, PluginInfo] = {}
        self._candidates: dict[str, Candidate] = {}
        self._yaml = SharedYaml()

    def load(self, candidate: Candidate) -> bool:
        """Import a plugin and register its hooks; return whether this succeeded."""
        origin = candidate.origin
        with self._broken_unless_loaded(candidate):
            if previous := self._candidates.get(origin.plugin):
                raise Fault(
                    f"a plugin of {previous.origin.distribution} {previous.origin.version} already has this name",
                    module_location(origin.module),
                )
            with unchanged_state(origin.module) if origin.outside else nullcontext():
                plugin = candidate.load()
            with contained(origin, "", source_location(plugin)):
                unmarked = self.plugins.manager.add(plugin, origin)
            self._candidates[origin.plugin] = candidate
            self.infos[candidate] = _info(origin, "loaded", warnings=unmarked)
            self.plugins.warnings += [f"{origin}: {line}" for line in unmarked]
            return True
        return False

    def register(self, origin: Origin) -> None:
        """Register the parts and YAML files of a plugin, all or none."""
        candidate, plugins = self._candidates[origin.plugin], self.plugins
        parts: list[_Found] = []
        with self._broken_unless_loaded(candidate, parts):
            with unchanged_state(origin.module) if origin.outside else nullcontext():
                parts += _parts(plugins.manager, origin)
                packages = _packages(plugins.manager, origin)
            self._yaml.check(origin.plugin, packages)
            _check_free(parts, plugins.registry)
            if origin.outside:
                _try(origin, parts, [file for files in packages.values() for file in files.values()], plugins.registry)
            self._yaml.add(origin.plugin, packages)
            plugins.conf_packages += [(origin.plugin, package) for package in packages]
            for found in parts:
                plugins.registry.add(found.kind, found.part, found.origin)
            self.infos[candidate] = replace(
                self.infos[candidate],
                hooks=tuple(sorted(plugins.manager.hooks_of(origin.plugin))),
                provides=tuple(f"{found.kind}: {found.part.name}" for found in parts),
            )

    @contextmanager
    def _broken_unless_loaded(self, candidate: Candidate, parts: Sequence[_Found] = ()) -> Iterator[None]:
        """Mark the plugin as broken if the block raises a mistake of the plugin."""
        origin, plugins = candidate.origin, self.plugins
        try:
            with contained(origin, ""):
                yield
        except (HooklineError, Fault) as error:
            mistake = error if isinstance(error, PluginError) else PluginError(origin, "", error)
            self.infos[candidate] = _info(origin, "broken", error=mistake.reason)
            if self._candidates.get(origin.plugin) is candidate:
                plugins.manager.unregister(name=origin.plugin)
            plugins.registry.mark_broken(str(mistake), [(found.kind, found.part.name) for found in parts])


@dataclass(frozen=True)
class _Found:
    """A stage or part that a plugin yields.

    Attributes:
        kind, part: Its kind and descriptor.
        origin: The plugin; names the other plugins with wrappers that changed the part.
        location: File and line of the hook that yields it.
    """

    kind: str
    part: Descriptor
    origin: Origin
    location: str


def _info(origin: Origin, state: str, *, error: str = "", warnings: tuple[str, ...] = ()) -> PluginInfo:
    return PluginInfo(origin.plugin, origin.distribution, origin.version, state, error=error, warnings=warnings)


def _parts(manager: Hooks, origin: Origin) -> list[_Found]:
    """Return the stages and parts that a plugin yields, all checked before any is registered."""
    found: list[_Found] = []
    for kind in KINDS:
        hook = f"{PROJECT}_{kind}"
        location = manager.location_of(origin.plugin, hook)
        for value, changed in manager.yielded(origin.plugin, hook):
            with contained(origin, hook, location):
                part = check_part(kind, value)
                if origin.outside:
                    from core.containment.parts import guarded

                    part = guarded(part, origin)
            found.append(_Found(kind, part, _changed(origin, hook, manager) if changed else origin, location))
    return found


def _changed(origin: Origin, hook: str, manager: Hooks) -> Origin:
    """Return the origin of a part that a wrapper made; it names the wrappers, because keys contain it."""
    return replace(origin, version=f"{origin.version}, changed by {', '.join(map(str, manager.wrapping(hook)))}")


def _packages(manager: Hooks, origin: Origin) -> dict[str, dict[str, Path]]:
    """Return the YAML files of each package that a plugin yields, by their path below Hydra's search path."""
    hook = f"{PROJECT}_conf"
    location = manager.location_of(origin.plugin, hook)
    packages: dict[str, dict[str, Path]] = {}
    for package, _ in manager.yielded(origin.plugin, hook):
        with contained(origin, f"{hook}: the YAML package {shown(package)}", location):
            packages[str(package)] = yaml_files(package)
    return packages


def _check_free(parts: Sequence[_Found], registry: Registry) -> None:
    names: set[tuple[str, str]] = set()
    for found in parts:
        taken = registry.owner(found.kind, found.part.name)
        if taken or (found.kind, found.part.name) in names:
            by = f"belongs to {taken}" if taken else "is yielded twice"
            raise Fault(f"the {KINDS[found.kind].noun} '{found.part.name}' {by}: use another name", found.location)
        names.add((found.kind, found.part.name))
        if isinstance(found.part, ModelFamily):
            _check_releases(found.part, found.location, registry)


def _check_releases(family: ModelFamily, location: str, registry: Registry) -> None:
    for other in registry.all(ModelFamily).values():
        if shared := sorted(set(other.releases) & set(family.releases)):
            raise Fault(f"the release {shown(shared[0])} belongs to the family '{other.name}'", location)


def _try(origin: Origin, parts: Sequence[_Found], yaml: Sequence[Path], registry: Registry) -> None:
    """Try what an outside plugin declares, unless it passed in the same state before."""
    from core.plugins.option_nodes import check_options
    from core.plugins.trial_cache import has_passed, remember, state_of

    with contained(origin, ""):
        check_options(registry, [found.part for found in parts])
    cache, state = cache_home(), state_of(origin, [*map(str, yaml), *_option_files(parts)])
    if has_passed(cache, origin, state):
        return
    from core.plugins.trial import try_parts, try_yaml

    try_yaml(yaml)
    try_parts([(found.kind, found.part, found.location) for found in parts], origin, registry)
    remember(cache, origin, state)


def _option_files(parts: Sequence[_Found]) -> Iterator[str]:
    for found in parts:
        for options in _option_classes(found.part):
            file = getattr(sys.modules.get(options.__module__), "__file__", None)
            if isinstance(file, str):
                yield file


def _option_classes(part: Descriptor) -> Iterator[type[object]]:
    yield declared_options(part)
    if isinstance(part, ModelFamily) and part.training is not None:
        yield part.training
