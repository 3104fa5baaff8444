"""Builds the root of the config from what the plugins registered, and turns it into typed objects.

Every registered stage has its options in the config, whichever stages are asked for, because the
plan may add stages. Each stage is also an option of the group ``stage``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass, make_dataclass
from typing import Annotated, Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins as HydraPlugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from core.artifacts import Precision
from core.containment import Fault, PluginError, source_place
from core.errors import HooklineError, unknown
from core.family_nodes import options_node, split_options
from core.family_options import family_options_of
from core.following import misfits
from core.media.limits import MAX_PIXELS
from core.parts import ModelFamily, NoOptions
from core.plugins import Plugins
from core.ranges import Fraction, Positive, Range
from core.registry import KINDS, PART_KINDS, Registry
from core.renamed import renamed_option
from core.serial import DataclassInstance
from core.stage import Stage

SCHEMA = "hookline_schema"


@dataclass
class PluginOptions:
    """``plugins.*``: which plugins to leave out."""

    disable: list[str] = field(default_factory=list)


@dataclass
class Words:
    """The options at the top level (conf/config.yaml says what each means)."""

    model: str | None = None
    weights: str | None = "${official:${model}}"
    data: str | None = None
    source: Any = None
    imgsz: Any = None
    precision: Precision | None = None
    calibrator: str = "percentile"
    quantizer: str = "qdq"
    backend: str = "auto"
    processor: str = "auto"
    decode: str = "auto"
    device: str = "auto"
    conf: Fraction | None = None
    iou: Fraction | None = None
    max_det: Positive = 300
    max_pixels: Positive = MAX_PIXELS
    classes: Any = None
    single_class: bool = False
    tracker: Any = field(default_factory=lambda: ["csv"])
    resume: bool = False
    seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    store: str | None = None
    reuse: bool = True
    plugins: PluginOptions = field(default_factory=PluginOptions)
    stage: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What a user asked for, typed.

    Attributes:
        stages: Names in the order written.
        words: The top-level options.
        configs: Options by stage name.
        options: Options by kind and name of a part.
        registry: The parts, without those whose options do not take the values that they follow.
    """

    stages: tuple[str, ...]
    words: Words
    configs: Mapping[str, DataclassInstance]
    options: Mapping[tuple[str, str], DataclassInstance]
    registry: Registry


class PluginSearchPath(SearchPathPlugin):
    """Adds the packages of the ``conf`` hook, so that a plugin needs no ``hydra_plugins`` namespace package.

    Attributes:
        packages: (plugin, package) of each; of the plugins that were registered last.
    """

    packages: tuple[tuple[str, str], ...] = ()

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the packages."""
        for name, package in self.packages:
            search_path.append(provider=name, path=f"pkg://{package}")


def register(plugins: Plugins) -> None:
    """Tell Hydra about every stage, part and YAML package. Call it before ``hydra.main``."""
    register_resolvers(_default_release(plugins.registry))
    store = ConfigStore.instance()
    registry = plugins.registry
    store.store(name=SCHEMA, node=_root(registry))
    for name in registry.all(Stage):
        store.store(group="stage", name=name, node={name: {}})
    PluginSearchPath.packages = tuple(plugins.conf_packages)
    HydraPlugins.instance().register(PluginSearchPath)


def register_resolvers(default: str | None = None) -> None:
    """Tell OmegaConf about the functions that defaults of options call.

    Args:
        default: The release that is taken where neither ``weights=`` nor ``model=`` is given.
    """
    OmegaConf.register_new_resolver("official", lambda model: model or default, replace=True)
    OmegaConf.register_new_resolver("otherwise", _otherwise, replace=True)


def _default_release(registry: Registry) -> str | None:
    return next((family.default for family in registry.all(ModelFamily).values() if family.default), None)


def followed(default: object, given: Mapping[str, str | None], registry: Registry) -> object:
    """Return the value of an option that follows a top-level one.

    Args:
        default: Of the option, as :func:`core.config.shared` makes it.
        given: The top-level options that are set.
        registry: For the release that ``weights`` is by default.
    """
    register_resolvers(_default_release(registry))
    return OmegaConf.create({**vars(Words()), **given, "value": default})["value"]


def typed(config: DictConfig, registry: Registry) -> Request:
    """Return the composed config as typed objects; a ``DictConfig`` never travels further than here.

    Raises:
        HooklineError: An option that nothing reads.
    """
    stages = tuple(str(name) for name in config.stage)
    _reject_strangers(config, registry)
    words = {name: options_at(config, name) for name in Words.__dataclass_fields__}
    needed, overridden = {*stages, *map(str, words.values())}, _overridden()
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
            refusal = PluginError(origin, f"options of '{name}'", reason, source_place(declared))
            if name in needed:
                raise refusal from error
            refused.append(refusal)
    refused += _refusing_families(configs.values(), registry)
    return Request(stages, Words(**words), configs, options, registry.without(refused) if refused else registry)


def _misfit(config: DictConfig, keys: tuple[str, ...], declared: type[DataclassInstance]) -> Fault | None:
    """Return why an option that follows another one does not take its value; None where each does."""
    node = OmegaConf.select(config, ".".join(keys))
    return next(map(Fault, misfits(declared, node, Words)), None) if isinstance(node, DictConfig) else None


def _refusing_families(configs: Iterable[DataclassInstance], registry: Registry) -> Iterator[PluginError]:
    """Yield an error for each model family whose training options cannot be made of the values given."""
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
            yield PluginError(origin, what, error, source_place(family.training))


def composed(registry: Registry) -> DictConfig:
    """Return the options of all stages and parts with their defaults, as the root of a run."""
    root: DictConfig = OmegaConf.structured(_root(registry))
    return root


def options_at(config: DictConfig, *keys: str) -> Any:  # noqa: ANN401 - what Hydra composed
    """Return the value of a node, typed; None where there is no such node."""
    value: Any = config
    for key in keys:
        value = value.get(key) if value is not None else None
    return OmegaConf.to_object(value) if OmegaConf.is_config(value) else value


def _declared(registry: Registry) -> Iterator[tuple[str, str, type[DataclassInstance]]]:
    """Yield kind, name and options class of every stage and part."""
    yield from (("stages", name, stage.signature.config) for name, stage in registry.all(Stage).items())
    for kind, descriptor in PART_KINDS.items():
        yield from ((kind, name, part.options) for name, part in registry.all(descriptor).items())


def _reject_strangers(config: DictConfig, registry: Registry) -> None:
    """Refuse what ``+name=`` or ``++name=`` added and nothing reads, e.g. a misspelt option."""
    from core.explain import unknown_option

    known = {*Words.__dataclass_fields__, *registry.all(Stage), *KINDS}
    for name in map(str, config):
        if name not in known and f"${{{name}" not in OmegaConf.to_yaml(config):
            raise renamed_option(name) or unknown("option", name, known - {"plugins", "stage"})
    for name in known & set(map(str, config)):
        for stranger in _strangers(config._get_node(name), name):
            raise unknown_option(stranger, registry)
    for stage, content in config.stage.items():
        if content:
            raise HooklineError(f"+stage={stage} takes no options of its own", f"write {stage}.<option>=<value>")
    for stranger in _strangers(HydraConfig.instance().cfg, ""):
        if stranger != "hydra.env":  # Hydra adds it
            raise unknown_option(stranger, registry)


def _strangers(node: object, name: str) -> Iterator[str]:
    """Yield the keys of structured configs in ``node`` that their classes do not declare, dotted."""
    if not isinstance(node, DictConfig) or node._is_none() or node._is_missing() or node._is_interpolation():
        return
    kind = OmegaConf.get_type(node)
    declared = kind.__dataclass_fields__ if is_dataclass(kind) else None
    for key in map(str, node):
        option = f"{name}.{key}" if name else key
        if declared is not None and key not in declared:
            yield option
        else:
            yield from _strangers(node._get_node(key), option)


def _overridden() -> dict[str, set[str]]:
    """Return the names of the options that were set by arguments, by what precedes the first dot.

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
    """Return the keys of an argument whose value is a dictionary."""
    if not value.startswith("{"):
        return []
    content = OverridesParser.create().parse_override(f"{name}={value}").value()
    return [str(key) for key in content] if isinstance(content, dict) else []


def _otherwise(value: object, default: object) -> object:
    """Return ``value``, or ``default`` where it is null (``shared(..., otherwise=...)``)."""
    return default if value is None else value


def _root(registry: Registry) -> type[DataclassInstance]:
    families = registry.all(ModelFamily).values()
    configs = {stage.name: options_node(stage.signature.config, families) for stage in registry.stages()}
    members: list[tuple[str, type[DataclassInstance], DataclassInstance]] = [
        (name, config, field(default_factory=config)) for name, config in configs.items()
    ]
    nodes = {kind: _part_options(kind, registry) for kind in PART_KINDS}
    members.extend((kind, node, field(default_factory=node)) for kind, node in nodes.items() if node)
    return make_dataclass("Config", members, bases=(Words,))


def _part_options(kind: str, registry: Registry) -> type[DataclassInstance] | None:
    parts = [part for part in registry.all(PART_KINDS[kind]).values() if part.options is not NoOptions]
    if not parts:
        return None
    return make_dataclass(kind, [(part.name, part.options, field(default_factory=part.options)) for part in parts])
