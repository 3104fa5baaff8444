"""Builds over the real bindings of TensorRT 10 and 11: every name, argument and enumeration that they use is there."""

from __future__ import annotations

from tests.trt.bindings import Bindings


def test_names(bindings: Bindings) -> None:
    bindings.pytest("-W", "ignore", "tests/trt/over_bindings_names.py")


def test_building(bindings: Bindings) -> None:
    bindings.pytest("-W", "ignore", "tests/trt/over_bindings_building.py")
