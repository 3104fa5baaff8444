from __future__ import annotations

from typing import Any

import pytest

from core.data.classes import ClassMatch, class_ids, match_classes
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


def test_equal_names_need_no_remark() -> None:
    assert match_classes(["a", "b"], ["a", "b"]) == ClassMatch()
    assert match_classes(["a", "a"], ["a", "a"]) == ClassMatch()


def test_as_many_classes_of_other_names_are_matched_by_id() -> None:
    match = match_classes(["a", "b", "c"], ["a", "x", "y"])
    assert match.remark.startswith("2 of 3 class names differ between model and data set, first class 1: 'b' and 'x'")
    assert match.numbers == {}
    assert (match.in_model([2]), match.in_model([]), match.in_data([2])) == ((2,), (), (2,))


@pytest.mark.parametrize(
    ("data", "numbers", "remark"),
    [
        (["person"], {0: 0}, "1 of 4 classes of the model is in the data set, matched by name; detections of the oth"),
        (["dog", "person"], {2: 0, 0: 1}, "2 of 4 classes of the model are in the data set, matched by name; detect"),
        (["truck", "dog", "car", "person"], {3: 0, 2: 1, 1: 2, 0: 3}, "4 of 4 classes of the model are in the data se"),
    ],
)
def test_a_subset_is_matched_by_name(data: list[str], numbers: dict[int, int], remark: str) -> None:
    match = match_classes(["person", "car", "dog", "truck"], data)
    assert match.numbers == numbers
    assert match.remark.startswith(remark)
    assert ("left out" in match.remark) == (len(data) < 4)
    assert match.in_model([]) == tuple(sorted(numbers))
    assert match.in_data(match.in_model([])) == tuple(range(len(data)))
    assert match.in_model([0]) == (min(one for one, other in numbers.items() if other == 0),)


def test_only_the_needed_classes_must_be_in_the_model() -> None:
    match = match_classes(["person", "car", "dog"], ["dog", "helmet"], [0])
    assert (match.numbers, match.in_model([0])) == ({2: 0}, (2,))
    assert match.remark.startswith("1 of 3 classes of the model is in the data set, matched by name; ")


BOTH = "the model has 3 classes (person, car, dog), the data set "
WAYS = "give matching data= and weights=, or train on this data set first"
PARTLY = "2 classes (dog, helmet); not in the model: helmet; measure the others with 'classes=[dog]', or "


@pytest.mark.parametrize(
    ("data", "classes", "message"),
    [
        (["helmet", "vest"], [], f"{BOTH}2 classes (helmet, vest); none of them is in the model; {WAYS}"),
        (["dog", "helmet"], [], f"{BOTH}{PARTLY}{WAYS}"),
        (["dog", "helmet"], [1], "none of them is in the model"),
        (["dog", "helmet"], [0, 1], "not in the model: helmet; measure the others with 'classes=[dog]'"),
        (["Person"], [], "names are compared exactly, and the model has 'person' for 'Person': correct the data.yaml"),
        (["car", "person", "x"], [], "not in the model: x; measure the others with 'classes=[car,person]'"),
        (["dog", "dog"], [], "none of them"),
    ],
)
def test_classes_that_the_model_lacks(data: list[str], classes: list[int], message: str) -> None:
    with pytest.raises(HooklineError) as caught:
        match_classes(["person", "car", "dog"], data, classes)
    assert message in str(caught.value)
