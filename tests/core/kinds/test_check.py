"""Findings need a remedy; the functions of checks are imported on first use."""

from __future__ import annotations

import pytest

from core.kinds.check import Check, Finding, State, Target, absent, broken, doubtful, fine, found_at


@pytest.mark.parametrize("state", [State.warning, State.error, State.absent])
def test_a_finding_that_is_not_fine_says_what_to_do(state: State) -> None:
    with pytest.raises(ValueError, match="has no remedy"):
        Finding("driver", state, "none")


def test_the_four_kinds_of_finding() -> None:
    found = [fine("a", "x", version="1"), doubtful("b", "x", "do"), broken("c", "x", "do"), absent("d", "x", "do")]
    assert [finding.state for finding in found] == [State.ok, State.warning, State.error, State.absent]
    assert found[0].facts == {"version": "1"}


def look(target: Target) -> list[Finding]:
    return [fine("backend", target.backend)]


def test_a_check_is_imported_when_it_is_loaded(tmp_path: object) -> None:
    check = Check(name="mine", summary="mine", load=found_at(f"{__name__}:look"))
    (finding,) = check.load(None)(Target("fake", "fake", "auto", tmp_path))  # type: ignore[arg-type]
    assert finding.found == "fake"
