"""What the ``train`` stage and the plain library both write down, since neither may import the other, is the same."""

from __future__ import annotations

from dataclasses import MISSING, fields

from backends.yolov5.training import course, state
from backends.yolov5.training.recipe import Recipe
from core import training
from stages.train import TrainConfig


def test_the_names_of_the_files() -> None:
    assert (course.BEST, course.LAST, state.STATE) == (training.BEST, training.LAST, training.STATE)


def test_the_defaults_of_the_recipe() -> None:
    options = vars(TrainConfig())
    own = {item.name: item.default for item in fields(Recipe) if item.default is not MISSING}
    shared = own.keys() & options.keys() - {"imgsz"}  # a word of the whole run
    assert shared >= {"epochs", "batch", "workers", "patience", "val_every", "cache"}
    assert {name: own[name] for name in shared} == {name: options[name] for name in shared}
