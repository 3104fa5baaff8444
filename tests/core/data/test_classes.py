from __future__ import annotations

from typing import Any

import pytest

from core.data.classes import check_class_names, class_ids
from core.errors import HooklineError

NAMES = ("person", "traffic light", "7")


@pytest.mark.parametrize(
    ("classes", "ids"),
    [
        (None, ()),
        ("person", (0,)),
        (1, (1,)),
        ("1", (1,)),
        ([2, "person", 0], (0, 2)),
        ("7", (2,)),
        (7, (2,)),
    ],
)
def test_class_ids(classes: Any, ids: tuple[int, ...]) -> None:
    assert class_ids(classes, NAMES) == ids


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("persom", r"unknown class 'persom'; did you mean person\? possible: 3 classes \(person, traffic light, 7\)"),
        (3, "class 3 does not exist; class ids are 0 to 2"),
        ([0, -1], "class -1 does not exist"),
        (True, "unknown class 'True'"),
        (0.5, "unknown class '0.5'"),
        ([10**5000], "unknown class '<integer of 16610 bits>'"),
        (["9" * 5000], "class '99999.* does not exist"),
        ([[0]], r"classes=\[0\] is not a class; give names or ids"),
        ({"a": 1}, r"classes=\{'a': 1\} is not a class"),
    ],
)
def test_unknown_class(classes: Any, message: str) -> None:
    with pytest.raises(HooklineError, match=message):
        class_ids(classes, NAMES)


def test_class_names() -> None:
    assert check_class_names(["a", "b"], ["a", "b"]) == ""
    warning = check_class_names(["a", "b", "c"], ["a", "x", "y"])
    assert warning.startswith("2 of 3 class names differ between model and data set, first class 1: 'b' and 'x'")
    with pytest.raises(HooklineError, match=r"the model has 4 classes \(a, b, c, ...\), the data set 1 class \(x\)"):
        check_class_names(["a", "b", "c", "d"], ["x"])
