"""What ``classes=`` means, and whether a model and a data set speak of the same classes."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import HooklineError, nearest, shown

DIGITS = 9
"""Of the largest class number."""


def class_ids(classes: object, names: Sequence[str]) -> tuple[int, ...]:
    """Return the class ids that an option like ``classes=`` means, sorted; empty for all classes.

    Args:
        classes: None for all, a name, an id, or a list of them. A number is an id unless a class has that name.
        names: Class names of the model.

    Raises:
        HooklineError: No such class; names the nearest ones.
    """
    if classes is None:
        return ()
    items = classes if isinstance(classes, (list, tuple)) else [classes]
    return tuple(sorted({_class_id(item, names) for item in items}))


def _class_id(item: object, names: Sequence[str]) -> int:
    if not isinstance(item, (str, int, float)):
        raise HooklineError(f"classes={shown(item)} is not a class", f"give names or numbers: {_nouns(names)}")
    text = item if isinstance(item, str) else shown(item)  # 10,000 digits are no text
    if text in names:
        return names.index(text)
    if text.isdecimal() and len(text) <= DIGITS and int(text) < len(names):
        return int(text)
    if text.lstrip("-").isdecimal():
        number = text if len(text) <= DIGITS else shown(item)
        last = len(names) - 1
        raise HooklineError(
            f"there is no class {number}", f"classes have the numbers 0 to {last}" if last else "the only one is 0"
        )
    close = nearest(text, names)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    raise HooklineError(f"unknown class {shown(text)}", f"{meant}possible: {_nouns(names)}, or their numbers")


def check_class_names(model: Sequence[str], data: Sequence[str]) -> str:
    """Compare a model's class names with those of a data set.

    Returns:
        A warning where the same number of classes has other names, empty if all agree.

    Raises:
        HooklineError: The numbers of classes differ.
    """
    if len(model) != len(data):
        single = "; single_class=true measures a model that was trained so" if len(model) == 1 else ""
        raise HooklineError(
            f"the model has {_nouns(model)}, the data set {_nouns(data)}",
            f"give data= and weights= that belong together, or train on this data set first{single}",
        )
    other = [index for index, (one, two) in enumerate(zip(model, data, strict=True)) if one != two]
    if not other:
        return ""
    first = other[0]
    return (
        f"{len(other)} of {len(model)} class names differ between model and data set, first class {first}: "
        f"'{model[first]}' and '{data[first]}'; taken to be the same by number"
    )


def _nouns(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} {'class' if len(names) == 1 else 'classes'} ({shown})"
