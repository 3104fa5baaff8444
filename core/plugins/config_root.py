"""The root of a run's configuration: the top-level options, one node per stage, one node per kind of part."""

from __future__ import annotations

from dataclasses import field, make_dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from core.kinds.model import ModelFamily
from core.kinds.part import NoOptions
from core.kinds.stage import Stage
from core.kinds.table import PART_KINDS
from core.options.top_level import TopLevelOptions
from core.plugins.option_nodes import options_node
from core.plugins.registry import Registry
from core.storage.serial import DataclassInstance


def register_resolvers(default: str | None = None) -> None:
    """Register the functions that defaults of options call with OmegaConf.

    Args:
        default: The official name that replaces missing ``weights=`` and ``model=``.
    """
    OmegaConf.register_new_resolver("official", lambda model: model or default, replace=True)
    OmegaConf.register_new_resolver("otherwise", _otherwise, replace=True)


def composed(registry: Registry) -> DictConfig:
    """Return the options of all stages and parts with their defaults, as the root of a run."""
    root: DictConfig = OmegaConf.structured(options_root(registry))
    return root


def options_at(config: DictConfig, *keys: str) -> Any:  # noqa: ANN401 - what Hydra composed
    """Return the typed value of a node; None if the node does not exist."""
    value: Any = config
    for key in keys:
        value = value.get(key) if value is not None else None
    return OmegaConf.to_object(value) if OmegaConf.is_config(value) else value


def _otherwise(value: object, default: object) -> object:
    """Return ``value``, or ``default`` if it is null (``shared(..., otherwise=...)``)."""
    return default if value is None else value


def options_root(registry: Registry) -> type[DataclassInstance]:
    """Return the class of the root of the configuration."""
    families = registry.all(ModelFamily).values()
    configs = {stage.name: options_node(stage.signature.config, families) for stage in registry.all(Stage).values()}
    members: list[tuple[str, type[DataclassInstance], DataclassInstance]] = [
        (name, config, field(default_factory=config)) for name, config in configs.items()
    ]
    nodes = {kind: part_node(kind, registry) for kind in PART_KINDS}
    members.extend((kind, node, field(default_factory=node)) for kind, node in nodes.items() if node)
    return make_dataclass("Config", members, bases=(TopLevelOptions,))


def part_node(kind: str, registry: Registry) -> type[DataclassInstance] | None:
    """Return the class of the node ``<kind>`` with a field per part; None if no part has options."""
    parts = [part for part in registry.all(PART_KINDS[kind]).values() if part.options is not NoOptions]
    if not parts:
        return None
    return make_dataclass(kind, [(part.name, part.options, field(default_factory=part.options)) for part in parts])
