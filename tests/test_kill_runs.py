"""Killed runs leave whole files, and the next run completes them; for more kills: ``python -m tests.kill_runs``."""

from __future__ import annotations

import pytest

from tests.kill_runs import Material, run_all
from tests.support.kill_scenarios import SCENARIOS

KILLS = 3


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material(tmp_path_factory.mktemp("kills") / "material")


@pytest.mark.slow
@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_nothing_is_lost_and_the_next_run_completes(name: str, material: Material) -> None:
    tally = run_all([name], KILLS, seed=1, material=material)[name]
    assert tally.kills == KILLS
    assert tally.reruns
    assert not tally.problems
