"""The fuzz targets run on their seeds, on some thousand mutations of these, and on the findings of atheris."""

from __future__ import annotations

import random

import pytest

from core import labels
from core.errors import HooklineError
from tests.attack.fuzz.targets import TARGETS
from tests.attack.odd import mutated, truncated

FOUND: dict[str, list[bytes]] = {
    "pickles": [],
    "labels": [],
    "cache": [b"TRT-100100-EntropyCalibration2\r\r\nimages: 3c010a14\n"],  # the header was written back as another one
    "metadata": [],
}
"""Inputs that ended in something else once."""
MUTATIONS = 300


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_ends_in_a_result_or_a_refusal(name: str) -> None:
    target, chance = TARGETS[name], random.Random(0)
    seeds = target.seeds()
    for content in (*seeds, *FOUND[name], b"", b"\0"):
        target.run(content)
    for _ in range(MUTATIONS):
        content = mutated(chance.choice(seeds), chance)
        target.run(truncated(content, chance) if content and chance.random() < 0.2 else content)


def test_a_target_reports_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise IndexError

    monkeypatch.setattr(labels, "check_labels", bug)
    with pytest.raises(IndexError):
        TARGETS["labels"].run(b"0 0.5 0.5 0.5 0.5")


def test_a_target_reports_an_endless_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: object) -> None:
        raise Endless("x")

    class Endless(HooklineError):
        def __str__(self) -> str:
            return "x" * 5000

    monkeypatch.setattr(labels, "check_labels", endless)
    with pytest.raises(AssertionError, match="5,000 characters"):
        TARGETS["labels"].run(b"")
