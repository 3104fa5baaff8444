"""Networks this small lose more to threads than they win."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread: None) -> None:
    """Use one thread in every module of this folder."""
