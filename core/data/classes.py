"""Class ids of the option ``classes=``, and the comparison of a model's class names with those of a data set."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import HooklineError, counted, nearest, shown

MAX_DIGITS = 9
"""Maximum number of digits of a class id."""


def class_ids(classes: object, names: Sequence[str]) -> tuple[int, ...]:
    """Return the class ids of an option like ``classes=``, sorted; empty for all classes.

    Args:
        classes: None for all, a name, an id, or a list of them. A number is an id unless a class has that name.
        names: Class names of the model.

    Raises:
        HooklineError: A class does not exist; the message lists the nearest names.
    """
    if classes is None:
        return ()
    items = classes if isinstance(classes, (list, tuple)) else [classes]
    return tuple(sorted({_class_id(item, names) for item in items}))


def _class_id(item: object, names: Sequence[str]) -> int:
    if not isinstance(item, (str, int, float)):
        raise HooklineError(f"classes={shown(item)} is not a class", f"give names or ids: {_nouns(names)}")
    text = item if isinstance(item, str) else shown(item)  # str() refuses an integer of 10,000 digits
    if text in names:
        return names.index(text)
    if text.isdecimal() and len(text) <= MAX_DIGITS and int(text) < len(names):
        return int(text)
    if text.lstrip("-").isdecimal():
        number = text if len(text) <= MAX_DIGITS else shown(item)
        last = len(names) - 1
        raise HooklineError(
            f"class {number} does not exist", f"class ids are 0 to {last}" if last else "the only class id is 0"
        )
    close = nearest(text, names)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    raise HooklineError(f"unknown class {shown(text)}", f"{meant}possible: {_nouns(names)}, or their ids")


def check_class_names(model: Sequence[str], data: Sequence[str]) -> str:
    """Compare a model's class names with those of a data set.

    Returns:
        A warning if the numbers of classes agree but names differ; empty if all agree.

    Raises:
        HooklineError: The numbers of classes differ.
    """
    if len(model) != len(data):
        single = "; single_class=true measures a model that was trained with it" if len(model) == 1 else ""
        raise HooklineError(
            f"the model has {_nouns(model)}, the data set {_nouns(data)}",
            f"give matching data= and weights=, or train on this data set first{single}",
        )
    different = [index for index, (one, two) in enumerate(zip(model, data, strict=True)) if one != two]
    if not different:
        return ""
    first = different[0]
    return (
        f"{len(different)} of {len(model)} class names differ between model and data set, first class {first}: "
        f"'{model[first]}' and '{data[first]}'; classes are matched by id"
    )


def _nouns(names: Sequence[str]) -> str:
    first = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{counted(len(names), 'class')} ({first})"
