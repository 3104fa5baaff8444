"""Explain wrong values of options by the possible ones, and renamed options by their new names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from types import MappingProxyType
from typing import get_args, get_type_hints

from omegaconf.errors import OmegaConfBaseException

from core.errors import HooklineError, shown, unknown
from core.kinds.family_options import option_fields_of
from core.kinds.stage import Stage
from core.kinds.table import PART_KINDS
from core.options.ranges import enumeration_of, ranges_of
from core.options.top_level import TopLevelOptions
from core.plugins.registry import Registry
from core.storage.serial import DataclassInstance

_NUMBERS: Mapping[type, str] = {int: "a whole number", float: "a number"}


def wrong_value(error: OmegaConfBaseException, registry: Registry) -> HooklineError | None:
    """Return the error for a wrong value of an option, with the possible values.

    Args:
        error: The error of OmegaConf when the value was set.
        registry: For the types of the options.

    Returns:
        The mistake; None if the type of the option or the value is not a simple one.
    """
    option, value = re.sub(r"\[\d+\]$", "", str(error.full_key or "")), error.value
    owner, name = _owner(option, registry)
    if owner is None or isinstance(value, Mapping) or is_dataclass(value):
        return None
    hint: object = get_type_hints(owner)[name]
    if members := enumeration_of(hint):
        return unknown(f"value of {option}", value, (str(member.value) for member in members))
    if _has(hint, bool):
        return unknown(f"value of {option}", value, ("true", "false"))
    kind = next((kind for kind in _NUMBERS if _has(hint, kind)), None)
    if kind is None:
        return None
    possible = ranges_of(owner).get(name)
    return HooklineError(
        f"{option}={value if isinstance(value, str) and value.isalnum() else shown(value)} is not {_NUMBERS[kind]}",
        f"possible: {possible}" if possible else f"give {_NUMBERS[kind]}",
    )


def _has(hint: object, kind: type) -> bool:
    return hint is kind or any(_has(item, kind) for item in get_args(hint))


def _owner(option: str, registry: Registry) -> tuple[type[DataclassInstance] | None, str]:
    """Return the dataclass that declares an option and the name of the field; None if no dataclass does."""
    head, _, name = option.rpartition(".")
    kind, _, part = head.partition(".")
    owner: type[DataclassInstance] | None = None
    if not head:
        owner = TopLevelOptions
    elif stage := registry.all(Stage).get(head):
        declared = option_fields_of(stage.signature.config, registry)
        owner = next((config for config, item in declared if item.name == name), None)
    elif kind in PART_KINDS and (found := registry.all(PART_KINDS[kind]).get(part)):
        owner = found.options
    return (owner, name) if owner is not None and name in get_type_hints(owner) else (None, name)


RENAMED: Mapping[str, str] = MappingProxyType(
    {
        # "old.name": "new.name", one per line, sorted. CHANGELOG.md has the same table under "Changed names".
        "build.compute_capabilities": "runtimes.tensorrt_rtx.compute_capabilities",
        "build.int8": "runtimes.tensorrt.int8",
        "build.method": "runtimes.tensorrt.method",
        "graft": "decode",
        "graft.name": "decode",
        "graft.namespace": "grafts.yolo_layer.namespace",
        "load.int8": "runtimes.tensorrt.int8",
        "quantize.int8": "runtimes.tensorrt.int8",
    }
)
"""Old name of an option -> the option that replaces it."""


def renamed_option(name: str) -> HooklineError | None:
    """Return the error for the old name of a renamed option; None for other names.

    Args:
        name: Full name of the option, without ``+`` or ``~``.
    """
    new = RENAMED.get(name)
    return HooklineError(f"'{name}' is now '{new}'", f"write {new}=<value>") if new else None
