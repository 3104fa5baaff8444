"""Builds over the real bindings of TensorRT 10 and 11: every name, argument and enumeration member exists."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends.trt.bindings import Bindings


def test_names(bindings: Bindings) -> None:
    bindings.pytest("-W", "ignore", "tests/backends/trt/over_bindings_names.py")


def test_building(bindings: Bindings) -> None:
    bindings.pytest("-W", "ignore", "tests/backends/trt/over_bindings_building.py")


def test_an_older_release_lacks_only_what_is_asked_for(older_bindings: Bindings) -> None:
    """TensorRT 10.3 has no ahead-of-time plugins, and no engines for all GPUs of one compute capability."""
    files = [f"tests/backends/trt/over_bindings_{name}.py" for name in ("names", "inspection", "session", "building")]
    newer = ["HardwareCompatibilityLevel", "test_capabilities", "put_into_the_engine", "set_device_memory-"]
    refused = ["test_the_library", "does_not_start", "makes_no_builder"]  # beside NumPy 2: see below
    older_bindings.pytest("-W", "ignore", *files, "-k", " and ".join(f"not {name}" for name in newer + refused))


def test_an_older_release_registers_the_plugin_once(older_bindings: Bindings) -> None:
    older_bindings.pytest("-W", "ignore", "tests/cuda_plugins/test_yolo_layer_plugin.py", "-k", "registers_once")


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="needs NumPy 2")
def test_an_older_release_is_refused_beside_a_numpy_that_it_misreads(older_bindings: Bindings) -> None:
    """Its bindings would read anchors as their first number, repeated."""
    code = (
        "import tensorrt\n"
        "from core.errors import UnavailableError\n"
        "from backends.trt.library import adopt\n"
        "try: adopt(tensorrt)\n"
        "except UnavailableError as error: print(error)"
    )
    assert "TensorRT 10.3.0 misreads arrays of NumPy 2" in older_bindings.run("-c", code)
