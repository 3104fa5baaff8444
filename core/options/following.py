"""Checks of options that follow another one (:func:`core.options.fields.shared`): declaration and value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import Field, fields

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationValidationError

from core.errors import shown, unknown
from core.options.fields import followed
from core.storage.serial import DataclassInstance


def unknown_shared(
    options: type[DataclassInstance], top_level: type[DataclassInstance], others: Iterable[str]
) -> Iterator[str]:
    """Yield a line for each option that follows an unknown option.

    Args:
        options: The dataclass of options.
        top_level: The dataclass of the top-level options.
        others: Further options that can be followed, dotted.
    """
    possible, more = {item.name for item in fields(top_level)}, set(others)
    for item in fields(options):
        target = followed(options, item.name)
        if target and target not in possible and target not in more:
            problem = unknown(
                "option", target, possible, more, listed="docs/configuration.md lists all under 'Top level'"
            )
            yield f"{options.__name__}.{item.name} = shared({shown(target)}): {problem}"


def misfits(options: type[DataclassInstance], node: DictConfig, top_level: type[DataclassInstance]) -> Iterator[str]:
    """Yield a line for each option with an annotation that does not accept the value of the option that it follows.

    Args:
        options: The dataclass of options.
        node: Its node in the config, with the values.
        top_level: The dataclass of the top-level options.
    """
    declared = {item.name: annotation(item) for item in fields(top_level)}
    for item in fields(options):
        if target := followed(options, item.name):
            try:
                node.get(item.name)
            except InterpolationValidationError:
                value = OmegaConf.select(node._get_root(), target)
                value = OmegaConf.to_object(value) if OmegaConf.is_config(value) else value
                yield f"{options.__name__}.{item.name} {_misfit(item, target, value, declared.get(target, 'Any'))}"


def annotation(item: Field[object]) -> str:
    """Return the annotation of a field as text."""
    return item.type if isinstance(item.type, str) else getattr(item.type, "__name__", str(item.type))


def _misfit(item: Field[object], target: str, value: object, declared: str) -> str:
    """Return a message with the value that does not fit, and the annotation that accepts it."""
    hint, empty = annotation(item), value is None
    fitting = f"{hint} | None" if empty and declared == "Any" else declared
    otherwise = f", or `shared('{target}', otherwise=<value>)`" if empty else ""
    return (
        f"is annotated {hint} and follows '{target}', which is {'null' if empty else shown(value)}:"
        f" write `{item.name}: {fitting} = shared('{target}')`{otherwise}"
    )
