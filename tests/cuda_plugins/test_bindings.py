"""Both forms of the plugin over the real bindings of TensorRT 10 and 11, each in a child process."""

from __future__ import annotations

from tests.backends.trt.bindings import Bindings
from tests.backends.trt.conftest import bindings

__all__ = ["bindings"]


def test_python_form(bindings: Bindings) -> None:
    bindings.pytest("-W", "ignore", "tests/cuda_plugins/test_yolo_layer_plugin.py")


def test_ahead_of_time_form(bindings: Bindings) -> None:
    bindings.pytest("-W", "ignore", "tests/cuda_plugins/over_bindings.py")
