from __future__ import annotations

import pytest

from tests.cuda_plugins.devices import EVERY_DEVICE


@pytest.fixture(params=EVERY_DEVICE)
def device(request: pytest.FixtureRequest):
    """Run a kernel test on the CPU, and with ``-m gpu`` on a GPU."""
    return request.param()
