"""A job becomes hyperparameters: the batch that ``auto`` finds, keeps, and divides among processes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from backends.yolov5 import training_job
from backends.yolov5.errors import TrainingError
from backends.yolov5.training.distributed import Distributed
from backends.yolov5.training.loss import DetectionLoss
from backends.yolov5.training.options import TrainingOptions
from backends.yolov5.training.state import TrainingState, load_state, save_state
from backends.yolov5.training.trainer import warnings_for
from backends.yolov5.training_reports import validation_losses
from core.kinds.training import STATE, TrainingJob
from core.options.training import ImageCache
from tests.backends.yolov5.training_tools import TINY, RandomBatches, make_trainer, tiny_network

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Side and limit of each search for a batch; 24 images always fit, and no process has others to ask."""
    calls: list[tuple[int, int]] = []

    def found(_network: object, imgsz: int, _device: object, *, limit: int, **_: object) -> tuple[int, str]:
        calls.append((imgsz, limit))
        return min(24, limit), "a line"

    monkeypatch.setattr(training_job, "largest_batch", found)
    monkeypatch.setattr(training_job, "amp_type", lambda *_: None)
    monkeypatch.setattr(Distributed, "from_leader", lambda _, values: values)
    return calls


def job(*, images: int = 100, imgsz: int = 64, batch: int | None = None, **options: Any) -> TrainingJob:
    watcher: Any = SimpleNamespace(note=lambda line: None)
    images: Any = range(images)
    return TrainingJob(
        variant=None, start=None, names=(), images=images, options=TrainingOptions(**options), imgsz=imgsz, epochs=1,
        batch=batch, workers=0, patience=0, hours=None, val_every=1, cache=ImageCache.none, seed=0, device="cpu",
        folder=Path(), resume=False, read=lambda _: np.zeros((1, 1, 3), np.uint8), watcher=watcher,
    )  # fmt: skip


def batch_of(
    job: TrainingJob, device: torch.device = CPU, world_size: int = 1, state: TrainingState | None = None
) -> int:
    return training_job.hyperparameters_of(job, tiny_network(), Distributed(0, world_size, device), state).batch


@pytest.mark.parametrize(
    ("images", "processes", "limit", "batch"),
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
def test_no_larger_batch_is_tried_than_makes_sense(
    asked: list[tuple[int, int]], images: int, processes: tuple[torch.device, int], limit: int, batch: int
) -> None:
    assert batch_of(job(images=images), *processes) == batch
    assert asked == [(64, limit)]


@pytest.mark.parametrize(("imgsz", "largest"), [(64, 96), (128, 192), (160, 256), (640, 960)])
def test_multi_scale_measures_its_largest_images(asked: list[tuple[int, int]], imgsz: int, largest: int) -> None:
    batch_of(job(imgsz=imgsz, multi_scale=True))
    batch_of(job(imgsz=imgsz))
    assert [side for side, _ in asked] == [largest, imgsz]


def state_of(folder: Path, batch: int) -> TrainingState:
    make_trainer(folder, epochs=1, batch=batch).run()
    return load_state(folder, TINY.to_dict())


def test_a_resumed_training_keeps_the_measured_batch(asked: list[tuple[int, int]], tmp_path: Path) -> None:
    state = state_of(tmp_path, 6)
    assert batch_of(job(), state=state) == 6
    assert not asked
    assert batch_of(job(batch=8), state=state) == 8, "what is asked for is taken"
    with pytest.raises(TrainingError, match="batch=6 cannot be divided among 4 processes"):
        batch_of(job(), world_size=4, state=state)


def test_prepare_passes_the_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Prepared(Exception):
        pass

    def hyperparameters_of(_job: object, _network: object, _mine: object, state: TrainingState | None) -> None:
        raise Prepared(state and state.batch)

    state_of(tmp_path, 6)
    weights = SimpleNamespace(network=tiny_network)
    monkeypatch.setattr(training_job, "initial_weights", lambda _: weights)
    monkeypatch.setattr(training_job, "hyperparameters_of", hyperparameters_of)
    for resume, batch in ((True, 6), (False, None)):
        given: Any = SimpleNamespace(resume=resume, folder=tmp_path)
        with pytest.raises(Prepared) as prepared:
            training_job.prepare(given, Distributed(0, 1, CPU))
        assert prepared.value.args == (batch,)


def test_a_state_of_another_format_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state = state_of(tmp_path, 6)
    monkeypatch.setattr("backends.yolov5.training.state.FORMAT", 1)
    save_state(state, tmp_path)
    content = torch.load(tmp_path / STATE, weights_only=True)
    del content["batch"]  # which format 1 had not
    torch.save(content, tmp_path / STATE)
    monkeypatch.undo()
    with pytest.raises(TrainingError, match="has format 1, but this version reads 2"):
        load_state(tmp_path, TINY.to_dict())


def warnings_of(folder: Path, *, images: int, batch: int, epochs: int, **options: Any) -> list[str]:
    batches = RandomBatches(count=max(images // batch, 1), size=min(batch, images))
    made = make_trainer(folder, batches=batches, batch=batch, epochs=epochs, **options)
    batches.images = images
    return list(warnings_for(made.loop))


def test_a_warning_for_fewer_images_than_a_batch(tmp_path: Path) -> None:
    (line,) = warnings_of(tmp_path, images=3, batch=8, epochs=1, warmup_epochs=0)
    assert line.startswith("the training split has 3 images, fewer than a batch of 8: an epoch has one batch")
    assert warnings_of(tmp_path, images=8, batch=8, epochs=1, warmup_epochs=0) == []


def test_a_warning_for_a_training_shorter_than_its_warm_up(tmp_path: Path) -> None:
    (line,) = warnings_of(tmp_path, images=8, batch=4, epochs=50, warmup_epochs=3.0, lr0=0.01)
    assert "the warm-up takes 100 batches, the training 100 (50 x 2)" in line
    assert "never reaches lr0=0.01; set train.warmup_epochs=0" in line
    assert "train.epochs=100 for a training run twice as long" in line
    assert warnings_of(tmp_path, images=8, batch=4, epochs=51, warmup_epochs=3.0) == []


def test_losses_of_a_validation_are_those_of_the_training_on_the_same_batch() -> None:
    """Boxes in pixels and outputs of the sigmoid give what fractions and logits give."""
    loss, network = DetectionLoss(TINY, TrainingOptions(), 64), tiny_network()
    losses = validation_losses(loss)
    fractions = torch.tensor([[0, 1, 0.5, 0.4, 0.3, 0.5], [1, 0, 0.2, 0.7, 0.1, 0.2]])
    regions = torch.tensor([[1, 0.7, 0.4, 0.5, 0.7]])
    with torch.no_grad():
        logits = network(torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0)))
        _, parts = loss(logits, fractions, regions)
    outputs = {f"p{3 + level}": value.sigmoid().numpy() for level, value in enumerate(logits)}
    pixels = (fractions * torch.tensor([1, 1, 96, 64, 96, 64])).numpy()
    region_pixels = (regions * torch.tensor([1, 96, 64, 96, 64])).numpy()
    found = losses(outputs, pixels, region_pixels)
    assert list(found) == ["box", "obj", "cls"]
    assert list(found.values()) == pytest.approx(parts.tolist(), rel=1e-4)
    assert all(value > 0 for value in found.values())
    assert losses(outputs, pixels[:0], region_pixels)["box"] == 0
    assert losses(outputs, pixels, region_pixels[:0])["obj"] != pytest.approx(found["obj"], rel=1e-3)
