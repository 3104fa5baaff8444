"""Class ids of the option ``classes=``, and which class of a model is which class of a data set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.errors import HooklineError, counted, listed, nearest, shown
from core.files.quoting import hydra_quoted, shell_word

MAX_DIGITS = 9
"""Maximum number of digits of a class id."""
MAX_NAMED = 5
"""Maximum number of class names in a part of a message."""


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


@dataclass(frozen=True)
class ClassMatch:
    """Which class of a model is which class of a data set.

    Attributes:
        numbers: Class id of the model -> class id of the data set, if classes are matched by name. Detections of other
            classes are left out. Empty if both have the same class ids.
        remark: What the user must know; empty if all names agree.
    """

    numbers: Mapping[int, int] = field(default_factory=dict)
    remark: str = ""

    def in_model(self, classes: Sequence[int]) -> tuple[int, ...]:
        """Return the class ids of the model for those of the data set; empty for all classes of the model.

        Args:
            classes: Class ids of the data set; empty for all.
        """
        if not self.numbers:
            return tuple(classes)
        return tuple(sorted(one for one, other in self.numbers.items() if not classes or other in classes))

    def in_data(self, classes: Sequence[int]) -> tuple[int, ...]:
        """Return the class ids of the data set for those of the model."""
        return tuple(sorted(self.numbers.get(number, number) for number in classes))


def match_classes(model: Sequence[str], data: Sequence[str], classes: Sequence[int] = ()) -> ClassMatch:
    """Match the classes of a model with those of a data set.

    Classes of the same number are matched by id if no name has another id in the model, and differing names are
    remarked. All others are matched by name, e.g. those of official weights and a data set with some of their classes.
    Names are compared exactly.

    Args:
        model: Class names of the model.
        data: Class names of the data set.
        classes: Class ids of the data set that are needed; empty for all.

    Raises:
        HooklineError: A needed class is not in the model.
    """
    if list(model) == list(data):
        return ClassMatch()
    ids, common = _unique(model), _unique(data)
    by_name = {ids[name]: number for name, number in common.items() if name in ids}
    if len(model) == len(data) and all(one == other for one, other in by_name.items()):
        return ClassMatch(remark=_renamed(model, data))
    needed = [data[number] for number in classes] or data
    matched = ids.keys() & common.keys()
    if missing := [name for name in needed if name not in matched]:
        raise _unmatched(model, data, missing, [name for name in needed if name in matched])
    others = "; detections of the others are left out" if len(by_name) < len(model) else ""
    are = "is" if len(by_name) == 1 else "are"
    return ClassMatch(
        by_name,
        f"{len(by_name)} of {counted(len(model), 'class')} of the model {are} in the data set, matched by name{others}",
    )


def _unique(names: Sequence[str]) -> dict[str, int]:
    """Return the class id of each name that occurs once."""
    counts = Counter(names)
    return {name: number for number, name in enumerate(names) if counts[name] == 1}


def _renamed(model: Sequence[str], data: Sequence[str]) -> str:
    different = [index for index, (one, two) in enumerate(zip(model, data, strict=True)) if one != two]
    first = different[0]
    return (
        f"{len(different)} of {len(model)} class names differ between model and data set, first class {first}: "
        f"'{model[first]}' and '{data[first]}'; classes are matched by id"
    )


def _unmatched(
    model: Sequence[str], data: Sequence[str], missing: Sequence[str], found: Sequence[str]
) -> HooklineError:
    """Return the error for needed classes that the model lacks; it names classes that are written otherwise there."""
    by_form = {_form(name): name for name in model}
    written = [f"'{by_form[_form(name)]}' for '{name}'" for name in missing if _form(name) in by_form]
    lacks = "none of them is in the model" if not found else f"not in the model: {listed(missing, MAX_NAMED)}"
    ways = "give matching data= and weights=, or train on this data set first"
    if written:
        ways = f"names are compared exactly, and the model has {listed(written, MAX_NAMED)}: correct the data.yaml"
    if found and len(found) <= MAX_NAMED:
        names = ",".join(map(hydra_quoted, found))
        ways = f"measure the others with {shell_word(f'classes=[{names}]')}, or {ways}"
    if len(model) == 1:
        ways += "; single_class=true measures a model that was trained with it"
    return HooklineError(f"the model has {_nouns(model)}, the data set {_nouns(data)}; {lacks}", ways)


def _form(name: str) -> str:
    """Return a name without case, blanks, hyphens and underscores."""
    return re.sub(r"[\s_-]+", "", name).casefold()


def _nouns(names: Sequence[str]) -> str:
    first = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{counted(len(names), 'class')} ({first})"
