from __future__ import annotations

from pathlib import Path

import pytest

from backends.trackers.wandb_run import WandbRun
from core.kinds.tracker import RunInfo
from tests.support.dataset_tools import write_picture

pytest.importorskip("wandb", reason="needs wandb")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An address where nobody listens: an attempt to send would fail."""
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)


def record(folder: Path, epoch: int, mode: str = "offline") -> None:
    tracker = WandbRun(mode=mode, project="hookline", entity=None)
    tracker.start(RunInfo("run", folder, {"epochs": 3, "weights": folder}))
    tracker.scalars({"train/box_loss": 0.5}, epoch)
    tracker.image("mosaic", write_picture(folder / "a.png"), 0)
    tracker.close()


def test_offline_writes_into_the_folder_and_resumes_with_the_same_id(tmp_path: Path) -> None:
    record(tmp_path, 1)
    identity = (tmp_path / "wandb-run.txt").read_text()
    record(tmp_path, 2)
    runs = list((tmp_path / "wandb").glob("offline-run-*"))
    assert {run.name.rpartition("-")[2] for run in runs} == {identity}
    content = b"".join(file.read_bytes() for run in runs for file in run.glob("*.wandb"))
    assert b"train/box_loss" in content
    assert b"mosaic" in content


def test_disabled_writes_nothing(tmp_path: Path) -> None:
    record(tmp_path, 1, "disabled")
    assert not (tmp_path / "wandb").exists()
