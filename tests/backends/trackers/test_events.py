from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from backends.trackers.events import EventFiles
from core.kinds.tracker import RunInfo
from tests.support.dataset_tools import write_picture

pytest.importorskip("tensorboard", reason="needs tensorboard")


def recorded(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return events


def started(folder: Path) -> EventFiles:
    tracker = EventFiles()
    tracker.start(RunInfo("run", folder, {"epochs": 3, "note": "a|b"}))
    return tracker


def test_metrics_images_and_options(tmp_path: Path) -> None:
    tracker = started(tmp_path)
    tracker.image("mosaic", write_picture(tmp_path / "a.png", (20, 10)), 0)
    tracker.scalars({"train/box_loss": 0.5}, 1)
    tracker.scalars({"train/box_loss": 0.25}, 2)
    assert [event.value for event in recorded(tmp_path).Scalars("train/box_loss")] == [0.5, 0.25]  # before it is closed
    tracker.close()
    tracker.close()
    events = recorded(tmp_path)
    (image,) = events.Images("mosaic")
    assert (image.width, image.height) == (20, 10)
    assert b"| epochs | 3 |" in events.Tensors("options/text_summary")[0].tensor_proto.string_val[0]


def test_going_on_hides_later_epochs(tmp_path: Path) -> None:
    first = started(tmp_path)
    for epoch in (1, 2, 3):
        first.scalars({"loss": float(epoch)}, epoch)
    first.close()
    second = started(tmp_path)
    second.image("mosaic", write_picture(tmp_path / "a.png"), 0)
    second.scalars({"loss": 20.0}, 2)
    second.close()
    assert [(event.step, event.value) for event in recorded(tmp_path).Scalars("loss")] == [(1, 1.0), (2, 20.0)]
