"""Options of stages, including those that model families declare."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.kinds.family_options import FamilyOptions, family_field, family_options_of, own_fields


def with_option(config: Any, name: str, value: Any) -> Any:
    """Return the typed options of a stage with one of them changed."""
    if name in {item.name for item in own_fields(type(config))}:
        return replace(config, **{name: value})
    former = family_options_of(config)
    values: Any = former.values
    given = FamilyOptions(replace(values, **{name: value}), former.given | {name})
    return replace(config, **{family_field(type(config)): given})
