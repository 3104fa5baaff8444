"""Boxes, labels and charts are drawn in one place, and a class has one colour in all of them."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_hex

from core.data.dataset import Sample
from core.drawing.boxes import Painter
from core.drawing.palette import class_colour, class_hex
from core.evaluation.charts import confusion_figure
from core.evaluation.images import draw_pages
from core.evaluation.loop import EvaluatedImage
from core.labels import Labels
from stages.dataset.page import sample_sheet
from tests.support.fake_parts import detections
from tests.support.media_tools import level_picture
from tests.support.packages import PACKAGES

CLASSES = (0, 3, 41, 85)
NAMES = tuple(f"class {index}" for index in range(90))
DRAWS = re.compile(r"cv2\.(rectangle|putText|line|polylines|FontFace)|colorsys|\bFigure\(|ImageDraw")


def test_only_core_drawing_draws(repo_root: Path) -> None:
    places = {
        str(file.relative_to(repo_root))
        for package in PACKAGES
        for file in (repo_root / package).rglob("*.py")
        if DRAWS.search(file.read_text(encoding="utf-8"))
    }
    assert places == {"core/drawing/boxes.py", "core/drawing/figures.py"}


def shares(picture: np.ndarray, number: int) -> int:
    """Pixels in the colour of a class; JPEG changes it a little."""
    return int((np.abs(picture.astype(int) - class_colour(number)).sum(axis=2) < 60).sum())


@pytest.mark.parametrize("number", CLASSES)
def test_a_class_has_one_colour(tmp_path: Path, number: int) -> None:
    file = tmp_path / "images" / "a.png"
    file.parent.mkdir()
    cv2.imwrite(str(file), level_picture(128, 400, 400))
    label = Labels(np.array([number], np.int32), np.array([[0.5, 0.5, 0.6, 0.6]]))
    rows = tmp_path / "labels" / "a.txt"
    rows.parent.mkdir()
    rows.write_text(f"{number} 0.5 0.5 0.6 0.6\n")
    box = (80, 80, 320, 320, 0.9, number)
    drawn = {"prediction": Painter(NAMES).draw(level_picture(128, 400, 400), detections(box))}
    sample_sheet([Sample(file, rows)], NAMES, 0, tmp_path / "sheet.jpg")
    drawn["sheet"] = cv2.imread(str(tmp_path / "sheet.jpg"))
    (page,) = draw_pages([Sample(file, rows)], [label], [EvaluatedImage(0, 400, 400, detections(box))], NAMES, tmp_path)
    drawn["labels"], drawn["predictions"] = np.split(cv2.imread(str(page))[:, 10:], 2, axis=1)
    for place, picture in drawn.items():
        assert shares(picture, number) > 200, place
    matrix = np.eye(2, dtype=np.int64)
    swatch = confusion_figure(matrix, [number], [NAMES[number]]).axes[0].collections[1].get_facecolors()[0]
    assert to_hex(swatch) == class_hex(number)
