"""Which classes of the source are kept, in which order and under which names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.errors import HooklineError, counted, shown, unknown
from core.model_limits import MAX_CLASSES, name_problem


def choose_classes(
    wanted: Mapping[str, str] | Sequence[str] | None, names: Sequence[str]
) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """The new class names, and the new class id of each class of the source that is kept.

    Args:
        wanted: ``convert.names``: null for all, a list of names, or {old name: new name}.
        names: Classes of the source.

    Raises:
        HooklineError: The source has no such class, or no classes at all.
    """
    if not names:
        raise HooklineError("the annotations name no class", "annotate at least one object")
    renamed = wanted if isinstance(wanted, Mapping) else {name: name for name in (wanted or names)}
    pairs = {str(old): str(new) for old, new in renamed.items()}
    known = set(names)
    for old in pairs:
        if old not in known:
            raise unknown("class in convert.names", old, names)
    chosen = tuple(dict.fromkeys(pairs.values()))
    if len(chosen) > MAX_CLASSES:
        hint = f"the limit is {MAX_CLASSES:,}; convert.names chooses some"
        raise HooklineError(f"too many: {counted(len(chosen), 'class')}", hint)
    for name in chosen:
        if problem := name_problem(name):
            raise HooklineError(f"the class {shown(name)} {problem}", "rename it: convert.names={<old>: <new>}")
    numbers = {name: number for number, name in enumerate(chosen)}
    return chosen, {old: numbers[new] for old, new in pairs.items()}
