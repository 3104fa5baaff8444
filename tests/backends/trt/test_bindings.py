"""The bindings that other tests use are the real ones."""

from __future__ import annotations

from tests.backends.trt.bindings import Bindings


def test_the_release_is_the_one_named(bindings: Bindings) -> None:
    code = "import tensorrt, tensorrt.plugin; print(tensorrt.__version__, hasattr(tensorrt, 'IInt8MinMaxCalibrator'))"
    *_log, said = bindings.run("-W", "ignore", "-c", code).splitlines()
    assert said.split() == [bindings.version, str(bindings.major == 10)]
