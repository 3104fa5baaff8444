"""The table of all kinds of descriptors, and what a descriptor of a kind must be."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import is_dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from core.errors import shown
from core.kinds.calibrator import Calibrator
from core.kinds.check import Check
from core.kinds.graft import Graft
from core.kinds.model import ModelFamily
from core.kinds.part import Part
from core.kinds.processor import Processor
from core.kinds.quantizer import Quantizer
from core.kinds.runtime import Runtime
from core.kinds.stage import Stage
from core.kinds.tracker import Tracker
from core.storage.serial import DataclassInstance

AnyPart: TypeAlias = Part[object]
"""A part of any kind."""
Descriptor: TypeAlias = Stage | AnyPart
"""``Stage`` or the descriptor of a part: the type that registration hooks yield."""


class Kind(NamedTuple):
    """A kind of descriptors.

    Attributes:
        descriptor: The class that the hook of the kind yields.
        noun: Name of the kind in messages.
    """

    descriptor: type[Descriptor]
    noun: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "stages": Kind(Stage, "stage"),
        "models": Kind(ModelFamily, "model family"),
        "calibrators": Kind(Calibrator, "calibrator"),
        "quantizers": Kind(Quantizer, "quantizer"),
        "grafts": Kind(Graft, "graft"),
        "runtimes": Kind(Runtime, "backend"),
        "processors": Kind(Processor, "processor"),
        "trackers": Kind(Tracker, "tracker"),
        "checks": Kind(Check, "check"),
    }
)
"""Every kind, by the name of its hook without prefix."""
PART_KINDS: Mapping[str, type[AnyPart]] = MappingProxyType(
    {kind: descriptor for kind, (descriptor, _) in KINDS.items() if issubclass(descriptor, Part)}
)
"""Kinds with options under ``<kind>.<name>.*``: all except stages."""
RANKED = frozenset({"runtimes", "processors", "grafts"})
"""Kinds for which ``auto`` selects the best part; for grafts, when the model is known."""
NAME_LENGTH = 64
"""Maximum number of characters in the name of a stage or part."""


def declared_options(part: Descriptor) -> type[DataclassInstance]:
    """Return the dataclass of the options of a stage or part."""
    return part.signature.config if isinstance(part, Stage) else part.options


def check_part(kind: str, part: object) -> Descriptor:
    """Return ``part`` if the hook of this kind may yield it.

    Raises:
        TypeError: It is not a descriptor of this kind, its name is not a Python identifier, its options are not a
            dataclass, or the annotations of a stage's function are wrong.
    """
    expected = KINDS[kind].descriptor
    if not isinstance(part, expected):
        raise TypeError(f"hookline_{kind} must yield {expected.__name__}, not {type(part).__name__} {shown(part)}")
    name = part.name if isinstance(part.name, str) else shown(part.name)
    if not name.isidentifier() or keyword.iskeyword(name) or len(name) > NAME_LENGTH:
        raise TypeError(
            f"{shown(name)} cannot name a {KINDS[kind].noun}: use a Python identifier of at most {NAME_LENGTH} letters"
        )
    options = declared_options(part)
    if not (isinstance(options, type) and is_dataclass(options)):
        raise TypeError(f"the options of the {KINDS[kind].noun} '{name}' must be a dataclass, not {shown(options)}")
    return part
