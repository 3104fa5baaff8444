"""What the ``train`` stage and the plain library both write down, since neither may import the other, is the same."""

from __future__ import annotations

from dataclasses import MISSING, fields
from enum import Enum
from typing import Any

import pytest

from backends.yolov5.training import course, state
from backends.yolov5.training.recipe import Recipe
from backends.yolov5.training.settings import Augmentation, LossGains, Optimisation
from core import training
from stages.train import TrainConfig


def test_the_names_of_the_files() -> None:
    assert (course.BEST, course.LAST, state.STATE) == (training.BEST, training.LAST, training.STATE)


@pytest.mark.parametrize("kind", [Augmentation, LossGains, Optimisation, Recipe])
def test_the_defaults_of_the_options(kind: type[Any]) -> None:
    options = {name: value.value if isinstance(value, Enum) else value for name, value in vars(TrainConfig()).items()}
    own = {item.name: item.default for item in fields(kind) if item.default is not MISSING}
    shared = own.keys() & options.keys() - {"imgsz"}  # a word of the whole run
    assert shared
    assert {name: own[name] for name in shared} == {name: options[name] for name in shared}
