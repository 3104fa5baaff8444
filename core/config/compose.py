"""Register the configuration with Hydra, and convert a composed configuration to typed objects.

Every configuration has the options of all registered stages, because the plan can add stages. Each stage is also a
member of the config group ``stage``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins as HydraPlugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from core.config.explain import unknown_option
from core.config.wrong_values import renamed_option
from core.containment.calls import Fault, PluginError, source_location
from core.errors import HooklineError, unknown
from core.kinds.family_options import family_options_of
from core.kinds.model import ModelFamily, default_release
from core.kinds.stage import Stage
from core.kinds.table import KINDS, PART_KINDS
from core.options.following import misfits
from core.options.top_level import TopLevelOptions
from core.plugins.config_root import options_at, options_root, register_resolvers
from core.plugins.discovery import Plugins
from core.plugins.option_nodes import split_options
from core.plugins.registry import Registry
from core.storage.serial import DataclassInstance

SCHEMA = "hookline_schema"


@dataclass(frozen=True)
class Request:
    """The typed request of a user.

    Attributes:
        stages: Names of the requested stages, in order.
        top_level: The top-level options.
        configs: Options by stage name.
        options: Options of parts by kind and name.
        registry: The parts, without those with options that do not accept the values that they follow.
    """

    stages: tuple[str, ...]
    top_level: TopLevelOptions
    configs: Mapping[str, DataclassInstance]
    options: Mapping[tuple[str, str], DataclassInstance]
    registry: Registry


class PluginSearchPath(SearchPathPlugin):
    """Adds the packages of the hook ``conf`` to Hydra's search path; plugins need no package ``hydra_plugins``.

    Attributes:
        packages: (plugin, package) pairs of the last registered plugins.
    """

    packages: tuple[tuple[str, str], ...] = ()

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the packages."""
        for name, package in self.packages:
            search_path.append(provider=name, path=f"pkg://{package}")


def register(plugins: Plugins) -> None:
    """Register all stages, parts and YAML packages with Hydra. Call it before ``hydra.main``."""
    register_resolvers(default_release(plugins.registry))
    store = ConfigStore.instance()
    registry = plugins.registry
    store.store(name=SCHEMA, node=options_root(registry))
    for name in registry.all(Stage):
        store.store(group="stage", name=name, node={name: {}})
    PluginSearchPath.packages = tuple(plugins.conf_packages)
    HydraPlugins.instance().register(PluginSearchPath)


def typed(config: DictConfig, registry: Registry) -> Request:
    """Return the composed configuration as typed objects. No other code sees the ``DictConfig``.

    Raises:
        HooklineError: An option does not exist.
    """
    stages = tuple(str(name) for name in config.stage)
    _reject_unknown_keys(config, registry)
    top_level = {name: options_at(config, name) for name in TopLevelOptions.__dataclass_fields__}
    needed, overridden = {*stages, *map(str, top_level.values())}, _overridden()
    options, configs = dict[tuple[str, str], DataclassInstance](), dict[str, DataclassInstance]()
    refused: list[PluginError] = []
    for kind, name, declared in _declared(registry):
        try:
            if kind == "stages":
                configs[name] = split_options(declared, options_at(config, name), overridden.get(name, set()))
            else:
                options[kind, name] = options_at(config, kind, name) or declared()
        except Exception as error:
            origin = registry.origin(kind, name)
            if not origin.outside or (name in needed and isinstance(error, HooklineError)):
                raise
            reason = _misfit(config, (name,) if kind == "stages" else (kind, name), declared) or error
            refusal = PluginError(origin, f"options of '{name}'", reason, source_location(declared))
            if name in needed:
                raise refusal from error
            refused.append(refusal)
    refused += _refusing_families(configs.values(), registry)
    return Request(
        stages, TopLevelOptions(**top_level), configs, options, registry.without(refused) if refused else registry
    )


def _misfit(config: DictConfig, keys: tuple[str, ...], declared: type[DataclassInstance]) -> Fault | None:
    """Return why an option does not accept the value of the option that it follows; None if all do."""
    node = OmegaConf.select(config, ".".join(keys))
    return next(map(Fault, misfits(declared, node, TopLevelOptions)), None) if isinstance(node, DictConfig) else None


def _refusing_families(configs: Iterable[DataclassInstance], registry: Registry) -> Iterator[PluginError]:
    """Yield an error for each model family with training options that do not accept the given values."""
    given = [family_options_of(config) for config in configs]
    for family in registry.all(ModelFamily).values():
        if family.training is None:
            continue
        try:
            for options in given:
                options.of(family.training)
        except Exception as error:
            origin = registry.origin("models", family.name)
            if not origin.outside:
                raise
            what = f"training options of the model family '{family.name}'"
            yield PluginError(origin, what, error, source_location(family.training))


def _declared(registry: Registry) -> Iterator[tuple[str, str, type[DataclassInstance]]]:
    """Yield kind, name and options class of every stage and part."""
    yield from (("stages", name, stage.signature.config) for name, stage in registry.all(Stage).items())
    for kind, descriptor in PART_KINDS.items():
        yield from ((kind, name, part.options) for name, part in registry.all(descriptor).items())


def _reject_unknown_keys(config: DictConfig, registry: Registry) -> None:
    """Refuse options that ``+name=`` or ``++name=`` added and that do not exist, e.g. misspelt ones."""
    known = {*TopLevelOptions.__dataclass_fields__, *registry.all(Stage), *KINDS}
    for name in map(str, config):
        if name not in known and f"${{{name}" not in OmegaConf.to_yaml(config):
            raise renamed_option(name) or unknown("option", name, known - {"plugins", "stage"})
    for name in known & set(map(str, config)):
        for key in _unknown_keys(config._get_node(name), name):
            raise unknown_option(key, registry)
    for stage, content in config.stage.items():
        if content:
            raise HooklineError(f"+stage={stage} has no options below it", f"write {stage}.<option>=<value>")
    for key in _unknown_keys(HydraConfig.instance().cfg, ""):
        if key != "hydra.env":  # Hydra adds it
            raise unknown_option(key, registry)


def _unknown_keys(node: object, name: str) -> Iterator[str]:
    """Yield the full names of keys in ``node`` that the class of their config does not declare."""
    if not isinstance(node, DictConfig) or node._is_none() or node._is_missing() or node._is_interpolation():
        return
    kind = OmegaConf.get_type(node)
    declared = kind.__dataclass_fields__ if is_dataclass(kind) else None
    for key in map(str, node):
        option = f"{name}.{key}" if name else key
        if declared is not None and key not in declared:
            yield option
        else:
            yield from _unknown_keys(node._get_node(key), option)


def _overridden() -> dict[str, set[str]]:
    """Return the names of the options that arguments set, by the part before the first dot.

    ``train={lr0: 0.1}`` sets ``train.lr0``.
    """
    found: dict[str, set[str]] = {}
    for override in HydraConfig.get().overrides.task if HydraConfig.initialized() else []:
        name, _, value = str(override).lstrip("+").partition("=")
        group, _, option = name.partition(".")
        names = [option.partition(".")[0]] if option else _keys(name, value)
        found.setdefault(group, set()).update(names)
    return found


def _keys(name: str, value: str) -> list[str]:
    """Return the keys of an argument that has a dictionary as its value."""
    if not value.startswith("{"):
        return []
    content = OverridesParser.create().parse_override(f"{name}={value}").value()
    return [str(key) for key in content] if isinstance(content, dict) else []
