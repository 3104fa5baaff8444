"""Choose the classes of the new data set: names, order, and which of them are ignore regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from core.errors import HooklineError, shown, unknown
from core.label_classes import LabelClasses
from core.model_limits import MAX_CLASSES, name_problem
from stages.convert.records import Annotations, crowd_class

TYPO = 0.85
"""Minimum similarity at which an unknown name is taken for a misspelt class of the source."""


@dataclass(frozen=True)
class ChosenClasses:
    """The classes of the new data set.

    Attributes:
        classes: Its class names and ignore regions.
        numbers: New class id of each selected class of the source, ignore regions included.
        absent: Names in ``convert.names`` that the source does not have.
    """

    classes: LabelClasses
    numbers: Mapping[str, int]
    absent: Sequence[str]


def choose_classes(wanted: Mapping[str, str] | Sequence[str] | None, found: Annotations) -> ChosenClasses:
    """Choose the classes of the new data set.

    The classes of objects are exactly those of ``convert.names``, in this order, also those without an object. Classes
    of ignore regions that it does not name come last.

    Args:
        wanted: ``convert.names``: None for all, a list of names, or {old name: new name}.
        found: Classes and ignore regions of the source.

    Raises:
        HooklineError: There is no class, a wanted one seems to be misspelt, or a name is not possible.
    """
    renamed = wanted if isinstance(wanted, Mapping) else {name: name for name in (wanted or found.names)}
    pairs = {str(old): str(new) for old, new in renamed.items()}
    if both := next((name for name in found.names if name in found.regions), None):
        hint = "rename one of them in the source, or convert one source at a time"
        raise HooklineError(f"the source has {shown(both)} as a class of objects and of ignore regions", hint)
    objects = {old: new for old, new in pairs.items() if old not in found.regions}
    if not objects:
        raise HooklineError("the annotations contain no class", "annotate at least one object")
    known = set(found.names)
    absent = [old for old in objects if old not in known]
    _check_spelling(absent, [name for name in found.names if name not in objects], found.names)
    rules = _rules(pairs, objects, found.regions)
    written = [new for old, new in pairs.items() if old in objects or old in rules]
    classes = LabelClasses(tuple(dict.fromkeys([*written, *(name for name, _ in rules.values())])), _merged(rules))
    _check_names(classes, objects)
    ids = {name: number for number, name in enumerate(classes.written)}
    numbers = {old: ids[new] for old, new in objects.items()} | {old: ids[new] for old, (new, _) in rules.items()}
    return ChosenClasses(classes, numbers, absent)


def _check_spelling(absent: Sequence[str], others: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a name that is similar to a class of the source whose boxes would be dropped."""
    plain = [name.casefold() for name in others]
    for name in absent:
        if get_close_matches(name.casefold(), plain, 1, TYPO):
            raise unknown("class in convert.names", name, names)


Rules = Mapping[str, tuple[str, tuple[str, ...]]]
"""Class of ignore regions in the source -> its new name, and the new classes that it applies to; empty for all."""


def _rules(pairs: Mapping[str, str], objects: Mapping[str, str], regions: Mapping[str, tuple[str, ...]]) -> Rules:
    """Return the rules of the regions that apply to a selected class."""
    rules = {}
    for region, targets in regions.items():
        kept = tuple(dict.fromkeys(objects[name] for name in targets if name in objects))
        if kept or not targets:
            of_crowd = kept and region == crowd_class(targets[0])
            rules[region] = (pairs.get(region) or (crowd_class(kept[0]) if of_crowd else region), kept)
    return rules


def _merged(rules: Rules) -> dict[str, tuple[str, ...]]:
    """Return the classes that each new class of regions applies to; regions of the same new name are merged."""
    merged: dict[str, tuple[str, ...]] = {}
    for name, targets in rules.values():
        both = dict.fromkeys([*merged.get(name, ()), *targets])
        merged[name] = tuple(both) if targets and merged.get(name, targets) else ()
    return merged


def _check_names(classes: LabelClasses, objects: Mapping[str, str]) -> None:
    if both := next((name for name in objects.values() if name in classes.ignore), None):
        hint = "give one of them another name: convert.names={<old>: <new>}"
        raise HooklineError(f"the class {shown(both)} would be a class of objects and of ignore regions", hint)
    if len(classes.written) > MAX_CLASSES:
        hint = f"the maximum is {MAX_CLASSES:,}: select fewer with convert.names"
        raise HooklineError(f"the new data set would have {len(classes.written):,} classes", hint)
    for name in classes.written:
        if problem := name_problem(name):
            raise HooklineError(f"the class {shown(name)} {problem}", "rename it: convert.names={<old>: <new>}")
