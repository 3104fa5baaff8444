"""The options of the stage as a recipe: the batch that ``auto`` finds, keeps, and shares among processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from backends.yolov5 import trainer
from backends.yolov5.errors import TrainingError
from backends.yolov5.training.processes import Processes
from backends.yolov5.training.state import TrainingState, load_state, save_state
from core.training import TrainingJob
from stages.train import TrainConfig
from tests.yolov5.training_tools import TINY, course, tiny_network

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Side and limit of each search for a batch; 24 pictures always fit, and no process has others to ask."""
    calls: list[tuple[int, int]] = []

    def found(_network: object, imgsz: int, _device: object, *, most: int, **_: object) -> tuple[int, str]:
        calls.append((imgsz, most))
        return min(24, most), "a line"

    monkeypatch.setattr(trainer, "largest_batch", found)
    monkeypatch.setattr(trainer, "amp_type", lambda *_: None)
    monkeypatch.setattr(Processes, "from_leader", lambda _, values: values)
    return calls


def job(*, pictures: int = 100, imgsz: int = 64, **options: Any) -> TrainingJob:
    config = replace(TrainConfig(), **{"batch": "auto", **options})
    watcher = SimpleNamespace(note=lambda line: None)
    made: Any = SimpleNamespace(options=config, imgsz=imgsz, seed=0, pictures=range(pictures), watcher=watcher)
    return made  # type: ignore[no-any-return]


def batch_of(job: TrainingJob, device: torch.device = CPU, world: int = 1, state: TrainingState | None = None) -> int:
    return trainer.recipe_of(job, tiny_network(), Processes(0, world, device), state).batch


@pytest.mark.parametrize(
    ("pictures", "processes", "most", "batch"),
    [
        (100, (CPU, 1), 100, 24),
        (100, (CPU, 5), 100, 20),
        (100, (GPU, 1), 100, 24),
        (100, (GPU, 5), 20, 100),
        (101, (GPU, 5), 21, 105),
        (10, (CPU, 1), 10, 10),
        (99999, (CPU, 2), 1024, 24),
        (99999, (GPU, 2), 1024, 48),
    ],
)
def test_no_larger_batch_is_looked_for_than_makes_sense(
    asked: list[tuple[int, int]], pictures: int, processes: tuple[torch.device, int], most: int, batch: int
) -> None:
    assert batch_of(job(pictures=pictures), *processes) == batch
    assert asked == [(64, most)]


@pytest.mark.parametrize(("imgsz", "largest"), [(64, 96), (128, 192), (160, 256), (640, 960)])
def test_multi_scale_measures_its_largest_pictures(asked: list[tuple[int, int]], imgsz: int, largest: int) -> None:
    batch_of(job(imgsz=imgsz, multi_scale=True))
    batch_of(job(imgsz=imgsz))
    assert [side for side, _ in asked] == [largest, imgsz]


def state_of(folder: Path, batch: int) -> TrainingState:
    course(folder, epochs=1, batch=batch).run()
    return load_state(folder, TINY.to_dict())


def test_a_training_that_goes_on_keeps_the_batch_it_measured(asked: list[tuple[int, int]], tmp_path: Path) -> None:
    state = state_of(tmp_path, 6)
    assert batch_of(job(), state=state) == 6
    assert not asked
    assert batch_of(job(batch=8), state=state) == 8, "what is asked for is taken"
    with pytest.raises(TrainingError, match="batch=6 cannot be divided among 4 processes"):
        batch_of(job(), world=4, state=state)


def test_prepare_hands_on_the_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Prepared(Exception):
        pass

    def recipe_of(_job: object, _network: object, _mine: object, state: TrainingState | None) -> None:
        raise Prepared(state and state.batch)

    state_of(tmp_path, 6)
    weights = SimpleNamespace(network=tiny_network)
    monkeypatch.setattr(trainer, "start_weights", lambda _: weights)
    monkeypatch.setattr(trainer, "recipe_of", recipe_of)
    for resume, batch in ((True, 6), (False, None)):
        given: Any = SimpleNamespace(resume=resume, folder=tmp_path)
        with pytest.raises(Prepared) as prepared:
            trainer.prepare(given, Processes(0, 1, CPU))
        assert prepared.value.args == (batch,)


def test_a_state_of_another_format_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state = state_of(tmp_path, 6)
    monkeypatch.setattr("backends.yolov5.training.state.FORMAT", 1)
    save_state(state, tmp_path)
    content = torch.load(tmp_path / "state.pt", weights_only=True)
    del content["batch"]  # which format 1 had not
    torch.save(content, tmp_path / "state.pt")
    monkeypatch.undo()
    with pytest.raises(TrainingError, match="has format 1, this version reads 2"):
        load_state(tmp_path, TINY.to_dict())
