"""Killed runs leave complete files, and the next run finishes; for more kills: ``python -m tests.kill_runs``."""

from __future__ import annotations

import pytest

from tests.kill_runs import run_all
from tests.support.kill_process import Material
from tests.support.kill_scenarios import SCENARIOS

KILLS = 3


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material(tmp_path_factory.mktemp("kills") / "material")


@pytest.mark.slow
@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_nothing_is_lost_and_the_next_run_completes(name: str, material: Material) -> None:
    counts = run_all([name], KILLS, seed=1, material=material)[name]
    assert counts.kills == KILLS
    assert counts.reruns
    assert not counts.problems
