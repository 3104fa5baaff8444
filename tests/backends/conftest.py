"""A simulated file system of a machine, for the checks of all backends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.machine_tools import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An empty machine; folders and files of tests may extend this fixture."""
    return Machine(tmp_path)
