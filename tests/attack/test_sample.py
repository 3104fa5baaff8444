"""A sample of the suite; ``make attack`` runs all of it. Each case is the real command in a child with limits."""

from __future__ import annotations

import random

import pytest

from tests.attack.__main__ import failure, is_failure, table
from tests.attack.attempt import Job
from tests.attack.kinds import KINDS
from tests.attack.suite import Result, run_all

EACH = 3
"""Cases of each kind."""


def sample() -> list[Job]:
    """Some cases of the suite with seed 0, of different variants."""
    chance = random.Random(0)
    return [Job(name, 0, number) for name, kind in KINDS.items() for number in chance.sample(range(kind.cases), EACH)]


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return run_all(sample(), 1, lambda result: None)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_no_case_of_the_sample_ends_as_none_may(results: list[Result], kind: str) -> None:
    own = [result for result in results if result["job"]["kind"] == kind]
    assert len(own) == EACH
    assert not any(map(is_failure, own)), "\n".join(failure(result) for result in own if is_failure(result))


def test_the_table_counts_every_case(results: list[Result]) -> None:
    counts = [int(word) for line in table(results).splitlines()[1:] for word in line.split()[1:]]
    assert sum(counts) == len(results) == EACH * len(KINDS)
