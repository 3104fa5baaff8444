"""Every option that can be set, dotted, with the field that declares it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass

from core.kinds.family_options import option_fields_of
from core.kinds.stage import Stage
from core.kinds.table import PART_KINDS
from core.options.words import PluginOptions, Words
from core.plugins.registry import Registry
from core.storage.serial import DataclassInstance


def option_names(registry: Registry) -> Iterator[str]:
    """Return every option that can be set, dotted."""
    return (name for name, _ in option_fields(registry))


def option_fields(registry: Registry) -> Iterator[tuple[str, Field[object]]]:
    """Yield every option that can be set, dotted, with the field that declares it."""
    yield from ((item.name, item) for item in fields(Words) if item.name not in {"plugins", "stage"})
    yield from _dotted("plugins", PluginOptions)
    for stage in registry.all(Stage).values():
        for _, item in option_fields_of(stage.signature.config, registry):
            yield from _dotted_field(stage.name, item)
    for kind, descriptor in PART_KINDS.items():
        for name, part in registry.all(descriptor).items():
            yield from _dotted(f"{kind}.{name}", part.options)


def _dotted(prefix: str, config: type[DataclassInstance]) -> Iterator[tuple[str, Field[object]]]:
    for item in fields(config):
        yield from _dotted_field(prefix, item)


def _dotted_field(prefix: str, item: Field[object]) -> Iterator[tuple[str, Field[object]]]:
    value = item.default_factory() if callable(item.default_factory) else item.default
    if is_dataclass(value) and not isinstance(value, type):
        yield from _dotted(f"{prefix}.{item.name}", type(value))
    else:
        yield f"{prefix}.{item.name}", item
