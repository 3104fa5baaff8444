"""Charts of a data set: all can be read whatever the classes are called."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from core.drawing.palette import SPLITS, class_hex
from core.labels import Labels
from stages.dataset.charts import MAX_COLUMNS, MAX_ROWS, centre_figure, class_figure, shape_figure
from stages.dataset.image_cache import ImageFacts
from stages.dataset.split_statistics import SplitStatistics
from stages.dataset.statistics import ClassNumbers
from tests.support.chart_tools import COUNTS, SCRIPTS, assert_readable, names_of

pytestmark = pytest.mark.filterwarnings("error")


def classes_of(names: tuple[str, ...], most: int = 5_000_000) -> list[ClassNumbers]:
    return [
        ClassNumbers(index, name, dict.fromkeys(SPLITS, most // (index + 1)), {}, 1 / (index + 1), 1, 1)
        for index, name in enumerate(names)
    ]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("count", COUNTS)
def test_class_balance_can_be_read(count: int, script: str) -> None:
    assert_readable(class_figure(classes_of(names_of(count, 60, script))))


@pytest.mark.parametrize("most", [0, 1, 7, 200, 201, 12_345])
def test_any_number_of_objects_can_be_read(most: int) -> None:
    assert_readable(class_figure(classes_of(("a", "b"), most)))


def test_classes_that_are_left_out_are_counted() -> None:
    count = MAX_ROWS * MAX_COLUMNS + 1
    header = class_figure(classes_of(tuple(map(str, range(count))), 1)).texts[1].get_text()
    assert f"the {count - 1} most frequent classes" in header


def test_every_class_has_its_colour() -> None:
    swatches = class_figure(classes_of(("a", "b", "c"))).axes[0].collections[0]
    assert [to_hex(colour) for colour in swatches.get_facecolors()] == [class_hex(index) for index in range(3)]


@pytest.mark.parametrize("count", [0, 1, 5000])
def test_boxes_can_be_read(count: int) -> None:
    rng = np.random.default_rng(0)
    stats = SplitStatistics()
    for _ in range(min(count, 40)):
        labels = Labels(np.zeros(count // 40 + 1, np.int32), rng.random((count // 40 + 1, 4)))
        stats.add(ImageFacts(640, 480, 1), labels, labelled=True)
    for figure in (shape_figure, centre_figure):
        assert_readable(figure({"train": stats, "val": stats, "test": SplitStatistics()}))
