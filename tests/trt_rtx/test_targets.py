"""Which cards an engine is for."""

from __future__ import annotations

import pytest

from backends.trt_rtx.targets import parse_targets
from core.errors import HooklineError

KNOWN = ["NONE", "CURRENT", "SM75", "SM80", "SM86", "SM89", "SM120", "SM121"]


@pytest.mark.parametrize(
    ("names", "targets"),
    [
        ([], []),
        (["sm86", "sm89", "sm120"], ["SM86", "SM89", "SM120"]),
        (["SM86", "sm_89", "12.0", "75"], ["SM86", "SM89", "SM120", "SM75"]),
        (["sm86", "8.6"], ["SM86"]),
        (["current"], ["CURRENT"]),
    ],
)
def test_names(names, targets):
    assert parse_targets(names, KNOWN) == targets


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["sm85"], r"unknown compute capability 'sm85'; did you mean sm89 or sm86 or sm80\?.*possible: current, sm120"),
        (["none"], "unknown compute capability 'none'"),
        (["rtx4090"], "unknown compute capability 'rtx4090'"),
        ([""], "unknown compute capability ''"),
        (["current", "sm86"], "holds 'current' beside others; name the cards"),
    ],
)
def test_names_that_are_not_there(names, message):
    with pytest.raises(HooklineError, match=message):
        parse_targets(names, KNOWN)
