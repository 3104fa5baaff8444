"""The options of the stage ``train`` and those of the YOLOv5 trainer, which may not import each other, agree."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from backends.yolov5.plugin import hookline_models
from backends.yolov5.training.options import Hyperparameters, TrainingOptions
from core.kinds.family_options import FamilyOptions
from core.kinds.training import BEST, LAST, STATE
from core.options.fields import keyed_options
from core.storage.serial import digest, encode
from stages.train.config import TrainConfig
from stages.train.training import identity
from tests.support.stage_tools import make_context


def test_the_names_of_the_files() -> None:
    """Users find them by these names, and older runs have them (docs/training.md, docs/runs.md)."""
    assert (BEST, LAST, STATE) == ("best.safetensors", "last.safetensors", ".state.pt")


def test_the_defaults_of_the_recipe() -> None:
    options = vars(TrainConfig())
    own = {item.name: item.default for item in fields(Hyperparameters) if item.default is not MISSING}
    shared = own.keys() & options.keys() - {"imgsz"}  # a word of the whole run
    assert shared >= {"epochs", "batch", "workers", "patience", "val_every", "cache"}
    assert {name: own[name] for name in shared} == {name: options[name] for name in shared}


def test_the_identity_of_a_training_has_all_options_side_by_side(tmp_path: Path) -> None:
    """As before they were the family's: a training that an older hookline began is found by ``resume=true``."""
    context, _ = make_context(tmp_path, models=list(hookline_models()))
    config = replace(TrainConfig(), model="yolov5n", imgsz=64, training=FamilyOptions(TrainingOptions(lr0=0.02)))
    data: Any = SimpleNamespace(digest="d1")
    own = {"model": "yolov5n", "imgsz": 64, "epochs": 100, "batch": 16, "patience": 100, "time": None, "val_every": 1}
    content = {
        "options": keyed_options(config) | encode(vars(TrainingOptions(lr0=0.02))),
        "data": "d1",
        "start": "",
        "seed": context.seed,
    }
    assert content["options"].items() >= (own | {"lr0": 0.02, "optimizer": "sgd", "mosaic": 1.0}).items()
    assert identity(config, data, None, context) == digest(content)[:16]
