"""Options that model families add to a stage, e.g. the hyperparameters of a training run.

A family declares them as a dataclass, ``ModelFamily.training``. A stage accepts them with one field; its ``known`` and
``families`` name the family::

    @dataclass
    class TrainConfig:
        epochs: Positive = 100
        training: FamilyOptions = family_options()

On the command line they are all ``train.<name>``: the config node of the stage is the union of its own options and
those of every family (``core.plugins.option_nodes``). :meth:`FamilyOptions.of` returns the options of one family as its
dataclass.
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
"""Metadata of an option with different defaults in several families: null selects the default of the family."""


@dataclass(frozen=True)
class FamilyOptions:
    """The options of model families as the user set them.

    Attributes:
        values: A dataclass with the options of all families; None for the defaults.
        given: Names of the options that the user set.
    """

    values: object = None
    given: frozenset[str] = frozenset()

    def of(self, declared: type[OptionsT]) -> OptionsT:
        """Return the options of one family.

        Args:
            declared: The dataclass of the family, with its defaults.
        """
        values: dict[str, object] = {}
        names = set(option_names(declared))
        for item in fields(self.values) if is_dataclass(self.values) else ():
            value = getattr(self.values, item.name)
            if item.name in names and not (value is None and item.metadata.get(DIFFERS)):
                values[item.name] = value
        return declared(**values)

    def foreign(self, stage: str, family: str, registry: Parts) -> Iterator[HooklineError]:
        """Yield an error for each option that the user set and that belongs to other families only.

        Args:
            stage: Name of the stage.
            family: Name of the family of the model.
            registry: Registry of all families.

        Raises:
            HooklineError: The family is not registered.
        """
        if not self.given:
            return
        families = registry.all(ModelFamily)
        own = option_names(registry.get(ModelFamily, family).training)
        for name in sorted(self.given.difference(own)):
            owners = [other for other, part in families.items() if name in option_names(part.training)]
            yield HooklineError(
                f"{stage}.{name} is an option of the family {' and '.join(owners)}, but this model is of {family}",
                "remove the option, or choose a model of that family",
            )


def family_options() -> FamilyOptions:
    """Return a dataclass field that accepts the options of all model families.

    Use it in a stage that trains: ``training: FamilyOptions = family_options()``. The options of the families are then
    set under the name of the stage, as for ``train``.
    """
    return field(default_factory=FamilyOptions, metadata={FAMILIES: True})


def own_fields(config: type[DataclassInstance]) -> tuple[Field[object], ...]:
    """Return the fields of the stage itself, without the one for options of families."""
    return tuple(item for item in fields(config) if not item.metadata.get(FAMILIES))


def family_field(config: type[DataclassInstance]) -> str:
    """Return the name of the field that accepts the options of families; empty if there is none."""
    return next((item.name for item in fields(config) if item.metadata.get(FAMILIES)), "")


def family_options_of(config: object) -> FamilyOptions:
    """Return the family options in a config; defaults for a stage that accepts none."""
    name = family_field(type(config)) if is_dataclass(config) and not isinstance(config, type) else ""
    given: FamilyOptions = getattr(config, name) if name else FamilyOptions()
    return given


def option_names(declared: type[DataclassInstance] | None) -> tuple[str, ...]:
    """Return the names of the options in the dataclass of a family."""
    return () if declared is None else tuple(item.name for item in fields(declared))


def option_classes(config: type[DataclassInstance], registry: Parts) -> Iterator[tuple[str, type[DataclassInstance]]]:
    """Yield the dataclasses that declare the options of a stage.

    Args:
        config: The dataclass of the stage.
        registry: Registry of the families.

    Yields:
        ``("", config)``, then the name and the dataclass of each family that adds options. :func:`own_fields` gives the
        options of each.
    """
    yield "", config
    if family_field(config):
        for family in registry.all(ModelFamily).values():
            if family.training is not None and option_names(family.training):
                yield family.name, family.training


def option_fields_of(
    config: type[DataclassInstance], registry: Parts
) -> Iterator[tuple[type[DataclassInstance], Field[object]]]:
    """Yield every option of a stage once, with the dataclass that declares it first."""
    seen: set[str] = set()
    for _, declared in option_classes(config, registry):
        for item in own_fields(declared):
            if item.name not in seen:
                seen.add(item.name)
                yield declared, item


def options_with_family(config: DataclassInstance, family: ModelFamily) -> dict[str, object]:
    """Return all options by name: those of the stage and those of one family."""
    own: dict[str, object] = {item.name: getattr(config, item.name) for item in own_fields(type(config))}
    if family.training is None:
        return own
    options = family_options_of(config).of(family.training)
    return own | {name: getattr(options, name) for name in option_names(family.training)}


def keyed_with_families(config: DataclassInstance, families: Iterable[ModelFamily]) -> dict[str, Json]:
    """Return the options in the store key: those of the stage and those of the families that affect its result."""
    found = keyed_options(config)
    for family in families if family_field(type(config)) else ():
        if family.training is not None:
            found |= keyed_options(family_options_of(config).of(family.training))
    return found
