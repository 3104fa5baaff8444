"""Options of stages and parts: their names, and the dataclasses of their config nodes with the families' options."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, make_dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

from core.containment.calls import Fault, source_location
from core.kinds.family_options import DIFFERS, FamilyOptions, family_field, option_fields_of, own_fields
from core.kinds.model import ModelFamily
from core.kinds.stage import Stage
from core.kinds.table import PART_KINDS
from core.options.ranges import range_of
from core.options.top_level import PluginOptions, TopLevelOptions
from core.plugins.registry import Registry
from core.storage.serial import DataclassInstance

if TYPE_CHECKING:
    from core.kinds.table import Descriptor


@dataclass(frozen=True)
class _Option:
    """One option of a config node.

    Attributes:
        hint: The annotation with the range.
        item: The field that declares the option.
        owner: The family that declares it.
        differs: Two families have different defaults.
    """

    hint: Any
    item: Field[object]
    owner: str = ""
    differs: bool = False


def option_names(registry: Registry) -> Iterator[str]:
    """Return the full names of all options."""
    return (name for name, _ in option_fields(registry))


def option_fields(registry: Registry) -> Iterator[tuple[str, Field[object]]]:
    """Yield the full name of every option with the field that declares it."""
    yield from ((item.name, item) for item in fields(TopLevelOptions) if item.name not in {"plugins", "stage"})
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
    value = default_of(item)
    if is_dataclass(value) and not isinstance(value, type):
        yield from _dotted(f"{prefix}.{item.name}", type(value))
    else:
        yield f"{prefix}.{item.name}", item


def options_node(config: type[DataclassInstance], families: Iterable[ModelFamily]) -> type[DataclassInstance]:
    """Return the dataclass of a stage's config node.

    Args:
        config: The dataclass of the stage.
        families: All model families.

    Raises:
        Fault: Two families declare one name with different types, or a declaration cannot be an option.
    """
    if not family_field(config):
        return config
    own = _options(config)
    return _made(config.__name__, own | _union(families, own))


def check_options(registry: Registry, parts: Collection[Descriptor]) -> None:
    """Refuse the parts of a plugin if their options conflict with those of the loaded plugins.

    Args:
        registry: The loaded parts.
        parts: The parts of the plugin.

    Raises:
        Fault: As :func:`options_node`.
    """
    stages = [part for part in parts if isinstance(part, Stage)]
    families = [part for part in parts if isinstance(part, ModelFamily)]
    everywhere = [*registry.all(ModelFamily).values(), *families]
    for stage in (*registry.all(Stage).values(), *stages) if families else stages:
        if family_field(stage.signature.config):
            _union(everywhere, _options(stage.signature.config))


def split_options(
    config: type[DataclassInstance], node: DataclassInstance, overridden: Collection[str]
) -> DataclassInstance:
    """Return a stage's own dataclass from its config node.

    An option of a family counts as set if the command line has it, or if its value differs from the default.

    Args:
        config: The dataclass of the stage.
        node: An instance of the class from :func:`options_node`.
        overridden: Names of the options of the stage on the command line.
    """
    field_name = family_field(config)
    if not field_name:
        return node
    own = {item.name: getattr(node, item.name) for item in own_fields(config)}
    others = {item.name: item for item in fields(node) if item.name not in own}
    values = {name: getattr(node, name) for name in others}
    given = {name for name, item in others.items() if name in overridden or values[name] != default_of(item)}
    union = _made(config.__name__, {name: _Option(item.type, item) for name, item in others.items()})
    return config(**own, **{field_name: FamilyOptions(union(**values), frozenset(given))})


def default_of(item: Field[object]) -> object:
    """Return the default of a field; ``MISSING`` if it has none."""
    return item.default_factory() if item.default_factory is not MISSING else item.default


def _union(families: Iterable[ModelFamily], own: Collection[str]) -> dict[str, _Option]:
    """Return the options of all families by name."""
    found: dict[str, _Option] = {}
    for family in families:
        if family.training is None:
            continue
        for name, option in _options(family.training, family.name).items():
            if problem := _conflict(name, option, found.get(name), own):
                raise Fault(
                    f"the training option '{name}' of the family '{family.name}' {problem}",
                    source_location(family.training),
                )
            if name not in found:
                found[name] = option
            elif default_of(found[name].item) != default_of(option.item):
                found[name] = replace(found[name], differs=True)
    return found


def _conflict(name: str, option: _Option, other: _Option | None, own: Collection[str]) -> str:
    if name in own:
        return "is an option of the stage"
    if default_of(option.item) is MISSING:
        return "has no default"
    if other is not None and other.hint != option.hint:
        return f"is {_text(option.hint)}, but '{other.owner}' declares {_text(other.hint)}"
    return ""


def _text(hint: object) -> str:
    """Return an annotation for messages, e.g. ``float (0 to 1)``."""
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    declared = range_of(hint)
    return getattr(plain, "__name__", str(plain)) + (f" ({declared})" if declared else "")


def _options(declared: type[DataclassInstance], owner: str = "") -> dict[str, _Option]:
    if not is_dataclass(declared):
        raise Fault(f"training of the family '{owner}' is not a dataclass", source_location(declared))
    hints = get_type_hints(declared, include_extras=True)
    return {item.name: _Option(hints[item.name], item, owner) for item in own_fields(declared)}


def _made(name: str, options: Mapping[str, _Option]) -> type[DataclassInstance]:
    """Return a dataclass with these options. Where the defaults of families differ, its default is null."""
    return make_dataclass(name, [_member(key, option) for key, option in options.items()])


def _member(name: str, option: _Option) -> tuple[str, object, object]:
    item, metadata = option.item, dict(option.item.metadata)
    if option.differs:
        return name, option.hint | None, field(default=None, metadata=metadata | {DIFFERS: True})
    if item.default_factory is not MISSING:
        return name, option.hint, field(default_factory=item.default_factory, metadata=metadata)
    return name, option.hint, field(default=item.default, metadata=metadata)
