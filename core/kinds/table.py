"""All kinds of descriptors, by the name of their hook."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

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

AnyPart: TypeAlias = Part[object]
"""A part of whatever kind."""
Descriptor: TypeAlias = Stage | AnyPart
"""``Stage`` or a descriptor of a part: what a registration hook yields."""


KINDS: Mapping[str, tuple[type[Descriptor], str]] = MappingProxyType(
    {
        "stages": (Stage, "stage"),
        "models": (ModelFamily, "model family"),
        "calibrators": (Calibrator, "calibrator"),
        "quantizers": (Quantizer, "quantizer"),
        "grafts": (Graft, "graft"),
        "runtimes": (Runtime, "backend"),
        "processors": (Processor, "processor"),
        "trackers": (Tracker, "tracker"),
        "checks": (Check, "check"),
    }
)
"""Kind (the hook's name without prefix) -> descriptor class, and the word for one in messages."""
PART_KINDS: Mapping[str, type[AnyPart]] = MappingProxyType(
    {kind: descriptor for kind, (descriptor, _) in KINDS.items() if issubclass(descriptor, Part)}
)
"""Kinds whose options lie under ``<kind>.<name>.*``: all but the stages."""


RANKED = frozenset({"runtimes", "processors", "grafts"})
"""Kinds of which ``auto`` takes the best; of the grafts, once the model is known."""
