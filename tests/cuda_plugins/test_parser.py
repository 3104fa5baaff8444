"""Registration and attributes, with a real plugin registry and a real ONNX parser: those of TensorRT-RTX."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cuda_plugins.yolo_layer_settings import Settings
from tests.cuda_plugins.engine_probe import ANCHORS, CLASSES, THRESHOLD

SETTINGS = Settings(32, CLASSES, tuple(map(float, ANCHORS)), THRESHOLD)

pytestmark = pytest.mark.skipif(importlib.util.find_spec("tensorrt_rtx") is None, reason="needs TensorRT-RTX")


def shown(repo_root: Path, *without: str) -> list[str]:
    command = [sys.executable, "-m", "tests.cuda_plugins.parser_probe", *without]
    done = subprocess.run(command, cwd=repo_root, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() or [done.stderr]


def test_the_parser_finds_the_plugin_and_passes_the_attributes(repo_root):
    assert shown(repo_root) == ["registered: python", f"made with: {SETTINGS}"]


def test_the_threshold_may_be_left_out(repo_root):
    expected = replace(SETTINGS, threshold=0.25)
    assert shown(repo_root, "prenms_score_threshold") == ["registered: python", f"made with: {expected}"]


def test_what_is_missing_fails_the_parser_and_is_named(repo_root):
    assert shown(repo_root, "num_classes", "anchors") == [
        "registered: python",
        "parsed: False",
        "errors: the node YoloLayer_TRT has no num_classes, anchors; add these attributes to the node",
    ]
