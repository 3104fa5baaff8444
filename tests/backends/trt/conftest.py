"""Fixtures of the tests of TensorRT.

``bindings`` gives the real Python bindings of TensorRT 10.16 and 11.4, one after the other, over stand-in libraries
(tests/backends/trt/bindings.py). They are used in a process of their own::

    def test_over_bindings(bindings: Bindings) -> None:
        bindings.pytest("tests/backends/trt/over_bindings.py")  # a file that pytest does not collect by itself
        bindings.run("-c", "import tensorrt; assert hasattr(tensorrt, 'IPluginV3')")

There ``import tensorrt`` finds the release and HOOKLINE_REAL_BINDINGS names it. ``bindings.major`` is 10 or 11.
Tests elsewhere import the fixture: ``from tests.backends.trt.conftest import bindings``.
Where the wheels or a compiler cannot be had, the tests are skipped with the reason.
"""

from __future__ import annotations

import pytest

from tests.backends.trt.bindings import OLDER, WHEELS, Bindings, obtain
from tests.support.wheels import or_skip


@pytest.fixture(scope="session", params=WHEELS)
def bindings(request: pytest.FixtureRequest) -> Bindings:
    """The bindings of one release."""
    return or_skip(obtain, request.param)


@pytest.fixture(scope="session", params=OLDER)
def older_bindings(request: pytest.FixtureRequest) -> Bindings:
    """The bindings of an older release, which lacks some features."""
    return or_skip(obtain, request.param)
