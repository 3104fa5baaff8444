"""Charts of an evaluation: readable for any class names, with a header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from core.drawing.fonts import class_lettering
from core.drawing.palette import GREY, class_hex
from core.evaluation.charts import MAX_CLASSES, confusion_figure, curve_figures, draw_confusion, draw_curves
from core.evaluation.curves import CONFIDENCES, RECALLS, Curves
from core.media.picture import read_picture
from tests.support.chart_tools import COUNTS, LENGTHS, SCRIPTS, assert_readable, names_of

FACTS = ("yolov5n-int8.onnx", "split val", "128 images", "confidence ≥ 0.25", "IoU > 0.45")
LONGEST_TEXTS = [*((count, 60, script) for count in COUNTS[:-1] for script in SCRIPTS), (COUNTS[-1], 60, "chinese")]
OTHERS = [(count, length, "latin") for count in (1, 20, 80) for length in LENGTHS[:-1]]
pytestmark = pytest.mark.filterwarnings("error")


def curves_of(names: tuple[str, ...], numbers: tuple[int, ...] = ()) -> Curves:
    count = len(names)
    height = np.linspace(0.2, 1, count)[:, None]
    return Curves(
        names=names,
        precision=np.clip(height * 0.6 + 0.4 * CONFIDENCES, 0, 1),
        recall=height * (1 - CONFIDENCES),
        boxes=np.ones((count, 1001), np.int64),
        over_recall=height * (1 - RECALLS**3),
        numbers=numbers or tuple(range(count)),
        instances=tuple(range(1, count + 1)),
    )


def matrix_of(count: int) -> np.ndarray:
    matrix = np.random.default_rng(0).poisson(0.3, (count + 1, count + 1))
    matrix[np.arange(count), np.arange(count)] += 1_234_567
    return matrix


@pytest.mark.parametrize(("count", "length", "script"), [*LONGEST_TEXTS, *OTHERS])
def test_a_confusion_matrix_can_be_read(count: int, length: int, script: str) -> None:
    assert_readable(confusion_figure(matrix_of(count), range(count), names_of(count, length, script), FACTS))


@pytest.mark.parametrize(("count", "length", "script"), [*LONGEST_TEXTS, *OTHERS])
def test_curves_can_be_read(count: int, length: int, script: str) -> None:
    for figure in curve_figures(curves_of(names_of(count, length, script)), FACTS).values():
        assert_readable(figure)


def test_the_header_states_data_and_thresholds() -> None:
    figure = confusion_figure(matrix_of(3), range(3), "abc", FACTS)
    header = " · ".join(text.get_text() for text in figure.texts)
    assert all(fact in header for fact in FACTS)
    for curves in curve_figures(curves_of(("a", "b")), FACTS[:3]).values():
        assert "IoU 0.5 · 2 classes with objects" in curves.texts[1].get_text()
        assert curves.axes[0].get_xlabel()
        assert curves.axes[0].get_ylabel()


def test_a_long_model_name_is_shortened() -> None:
    figure = confusion_figure(matrix_of(1), [0], ["a"], ["yolov5n" * 40 + ".onnx", "行人 🚗"])
    assert_readable(figure)
    assert "….onnx" not in figure.texts[1].get_text()
    assert figure.texts[1].get_text().endswith(".onnx")


def test_a_class_has_its_colour_whatever_its_place() -> None:
    """Classes without objects are left out of the curves, and others may be left out by classes=."""
    figure = curve_figures(curves_of(("a", "b"), (3, 17)))["PR_curve"]
    assert [to_hex(line.get_color()) for line in figure.axes[0].lines[1:3]] == [class_hex(3), class_hex(17)]
    names = confusion_figure(matrix_of(2), (3, 17), ("a", "b")).axes[0]
    for swatches in names.collections[1:]:
        assert [to_hex(colour) for colour in swatches.get_facecolors()] == [class_hex(3), class_hex(17)]


def test_of_many_classes_the_frequent_ones_are_named() -> None:
    figure = curve_figures(curves_of(names_of(80, 12, "latin")))["F1_curve"]
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == 12
    assert legend.get_texts()[-1].get_text() == "the other 70 classes"
    colours = [to_hex(line.get_color()) for line in figure.axes[0].lines]
    assert colours.count(GREY) == 70
    assert colours[1] == class_hex(79)


def test_numbers_stand_in_the_cells_while_they_fit() -> None:
    assert "1.00\n1.2M" in [text.get_text() for text in confusion_figure(matrix_of(3), range(3), "abc").axes[0].texts]
    assert not confusion_figure(matrix_of(30), range(30), names_of(30, 12, "latin")).axes[0].texts


def test_the_classes_that_are_left_out_are_counted() -> None:
    count = MAX_CLASSES + 5
    matrix = np.ones((count + 1, count + 1), np.int64)
    matrix[:5, :] = matrix[:, :5] = 0
    figure = confusion_figure(matrix, range(count), names_of(count, 4, "latin"))
    assert f"the {MAX_CLASSES} classes with the most objects and boxes of {count}" in figure.texts[1].get_text()
    assert to_hex(figure.axes[0].collections[1].get_facecolors()[0]) == class_hex(5)


def test_shares_are_of_all_objects_of_a_class() -> None:
    matrix = np.array([[3, 0, 1], [0, 0, 0], [1, 0, 0]])
    texts = [text.get_text() for text in confusion_figure(matrix, range(2), "ab").axes[0].texts]
    assert texts == ["0.75\n3", "1.00\n1", "0.25\n1"]


def test_files(tmp_path: Path) -> None:
    paths = draw_curves(curves_of(("a", "caf\udce9")), tmp_path)
    paths.append(draw_confusion(np.zeros((3, 3), np.int64), range(2), ["a", "\x1b"], tmp_path / "confusion_matrix.png"))
    assert [path.name for path in paths] == [
        "PR_curve.png", "P_curve.png", "R_curve.png", "F1_curve.png", "confusion_matrix.png",
    ]  # fmt: skip
    for path in paths:
        picture = read_picture(path)
        assert min(picture.shape[:2]) > 400
        assert (picture < 250).any()


def test_missing_glyphs_become_question_marks_with_the_class_number() -> None:
    unassigned = "\U000e0fff"
    found = class_lettering([4, 5], [f"a{unassigned}", "é"])
    assert found.labels == ("4: a?", "é")
