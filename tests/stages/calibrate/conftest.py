"""A model, images and a context for the tests of the stage."""

from __future__ import annotations

import pytest

from tests.support.calibrate_tools import shipped_context, write_images
from tests.support.quantize_tools import tiny_detector


@pytest.fixture
def context(tmp_path):
    return shipped_context(tmp_path / "run")


@pytest.fixture
def model(tmp_path):
    return tiny_detector(tmp_path / "tiny.onnx")


@pytest.fixture
def folder(tmp_path):
    return write_images(tmp_path / "pictures")
