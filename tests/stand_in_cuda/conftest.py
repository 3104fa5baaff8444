from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.stand_in_cuda.building import StandIn, obtain
from tests.support.wheels import or_skip


@pytest.fixture(scope="session")
def stand_in() -> Iterator[StandIn]:
    """The real CuPy over a stand-in for CUDA; tests use it in a process of its own."""
    found = or_skip(obtain)
    yield found
    shutil.rmtree(found.kernels)
