from __future__ import annotations

import pytest

from core.errors import HooklineError
from core.options.sizes import Span, read_batch, read_size


def test_one_number_and_three():
    assert read_batch(4) == Span(4, 4, 4)
    assert read_batch({"min": 1, "opt": 8, "max": 16}) == Span(1, 8, 16)
    assert read_size(320, 32) == Span((320, 320), (320, 320), (320, 320))
    wide = {"min": 320, "opt": [384, 640], "max": 640}
    assert read_size(wide, 32) == Span((320, 320), (384, 640), (640, 640))
    assert (read_batch(2).fixed, read_size(wide).fixed) == (True, False)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, r"build\.batch=0: 0 is not a number of images; possible: integers, 1 to 65536"),
        (True, "is not a number of images"),
        ("8", "is not a number of images"),
        ({"min": 1, "max": 8}, r"build\.batch=\{min: 1, max: 8\}: its keys are min, max; give min, opt and max"),
        ({}, "its keys are none"),
        ({"min": 8, "opt": 4, "max": 16}, r"\{min: 8, opt: 4, max: 16\} is not in order; it must be min <= opt <= max"),
        ({"min": 1, "opt": 32, "max": 16}, "is not in order"),
    ],
)
def test_no_batch(value, told):
    with pytest.raises(HooklineError, match=told):
        read_batch(value)


def test_no_size():
    with pytest.raises(HooklineError, match=r"build\.imgsz=330: .*stride 32; nearest: 320 or 352"):
        read_size(330, 32)
    with pytest.raises(HooklineError, match="is not in order"):
        read_size({"min": [320, 640], "opt": [640, 320], "max": 640}, 32)  # wider than opt
