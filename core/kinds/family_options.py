"""Options of a stage that model families declare, under the name of the stage.

A stage takes them with one field (its ``known`` gives the family of the result, its ``families`` the same for the
store's key), and a family declares them as a dataclass, ``ModelFamily.training``::

    @dataclass
    class TrainConfig:
        epochs: Positive = 100
        training: FamilyOptions = family_options()

On the command line all of them are ``train.<name>``: the config node of the stage is the union of its own options and
of those of every family (``core.plugins.option_nodes``). :meth:`FamilyOptions.of` returns the options of one family as
the dataclass that it declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, TypeVar

from core.errors import HooklineError
from core.kinds.model import ModelFamily
from core.options.fields import FAMILIES, keyed_options
from core.storage.serial import DataclassInstance, Json

if TYPE_CHECKING:
    from core.kinds.lookup import Parts


OptionsT = TypeVar("OptionsT", bound=DataclassInstance)

DIFFERS = "differs"
"""Metadata of an option whose default is not the same in all families: null stands for the default of each."""


@dataclass(frozen=True)
class FamilyOptions:
    """What was given for the options that families declare.

    Attributes:
        values: A dataclass with the options of all families; None for the defaults.
        given: Names of the options that were set.
    """

    values: object = None
    given: frozenset[str] = frozenset()

    def of(self, declared: type[OptionsT]) -> OptionsT:
        """Return the options of one family.

        Args:
            declared: The dataclass of the family, which has the defaults.
        """
        values: dict[str, object] = {}
        names = set(option_names(declared))
        for item in fields(self.values) if is_dataclass(self.values) else ():
            value = getattr(self.values, item.name)
            if item.name in names and not (value is None and item.metadata.get(DIFFERS)):
                values[item.name] = value
        return declared(**values)

    def foreign(self, stage: str, family: str, registry: Parts) -> Iterator[HooklineError]:
        """Yield an error for each option that was set and that the family at hand does not have.

        Args:
            stage: Name of the stage.
            family: The family at hand.
            registry: For all families.

        Raises:
            HooklineError: No plugin has this family.
        """
        if not self.given:
            return
        families = registry.all(ModelFamily)
        own = option_names(registry.get(ModelFamily, family).training)
        for name in sorted(self.given.difference(own)):
            owners = [other for other, part in families.items() if name in option_names(part.training)]
            yield HooklineError(
                f"{stage}.{name} is an option of the family {' and '.join(owners)}, and this network is of {family}",
                "leave it out, or take a network of that family",
            )


def family_options() -> FamilyOptions:
    """Return the field of a stage's dataclass that takes the options of all model families.

    For a stage that trains: ``training: FamilyOptions = family_options()``. The options of the families then lie under
    the name of the stage, as those of ``train`` do.
    """
    return field(default_factory=FamilyOptions, metadata={FAMILIES: True})


def own_fields(config: type[DataclassInstance]) -> tuple[Field[object], ...]:
    """Return the fields of a stage's dataclass that are options of the stage itself."""
    return tuple(item for item in fields(config) if not item.metadata.get(FAMILIES))


def place_of(config: type[DataclassInstance]) -> str:
    """Return the name of the field that takes the options of the families; empty where a stage has none."""
    return next((item.name for item in fields(config) if item.metadata.get(FAMILIES)), "")


def family_options_of(config: object) -> FamilyOptions:
    """Return what was given for the options of families; nothing for a stage that takes none."""
    name = place_of(type(config)) if is_dataclass(config) and not isinstance(config, type) else ""
    given: FamilyOptions = getattr(config, name) if name else FamilyOptions()
    return given


def option_names(declared: type[DataclassInstance] | None) -> tuple[str, ...]:
    """Return the names of the options in the dataclass of a family."""
    return () if declared is None else tuple(item.name for item in fields(declared))


def option_classes(config: type[DataclassInstance], registry: Parts) -> Iterator[tuple[str, type[DataclassInstance]]]:
    """Yield the dataclasses that declare the options of a stage.

    Args:
        config: The dataclass of the stage.
        registry: For the families.

    Yields:
        An empty name and ``config``, whose own options are :func:`own_fields`; then the name of each family that adds
        options, and its dataclass.
    """
    yield "", config
    if place_of(config):
        for family in registry.all(ModelFamily).values():
            if family.training is not None and option_names(family.training):
                yield family.name, family.training


def option_fields_of(
    config: type[DataclassInstance], registry: Parts
) -> Iterator[tuple[type[DataclassInstance], Field[object]]]:
    """Yield every option of a stage once, with the dataclass that declares it."""
    seen: set[str] = set()
    for _, declared in option_classes(config, registry):
        for item in own_fields(declared):
            if item.name not in seen:
                seen.add(item.name)
                yield declared, item


def options_with_family(config: DataclassInstance, family: ModelFamily) -> dict[str, object]:
    """Return all options by name: those of the stage, and those of the family at hand."""
    own: dict[str, object] = {item.name: getattr(config, item.name) for item in own_fields(type(config))}
    if family.training is None:
        return own
    options = family_options_of(config).of(family.training)
    return own | {name: getattr(options, name) for name in option_names(family.training)}


def keyed_with_families(config: DataclassInstance, families: Iterable[ModelFamily]) -> dict[str, Json]:
    """Return the options in the store's key: those of the stage, and those of the families that shape its result."""
    found = keyed_options(config)
    for family in families if place_of(type(config)) else ():
        if family.training is not None:
            found |= keyed_options(family_options_of(config).of(family.training))
    return found
