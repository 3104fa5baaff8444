"""A small model, images and a working directory for tests that run stages in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.media_tools import write_pictures
from tests.support.yolov5_tools import tiny_checkpoint


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``tiny.safetensors`` and ``pictures/``."""
    folder = tmp_path_factory.mktemp("material")
    tiny_checkpoint(folder / "tiny.safetensors")
    write_pictures(folder / "pictures", [f"{number}.png" for number in range(4)], 96, 128)
    return folder


@pytest.fixture
def here(material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with a cache and a store per module."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOKLINE_HOME", str(material / "home"))
    return tmp_path
