from __future__ import annotations

from typing import Any

import pytest

from core.errors import HooklineError
from core.imgsz import network_size


@pytest.mark.parametrize(("imgsz", "size"), [(640, (640, 640)), ([384], (384, 384)), ([384, 640], (384, 640))])
def test_one_number_or_two(imgsz: Any, size: tuple[int, int]) -> None:
    assert network_size(imgsz, 32) == size


@pytest.mark.parametrize(
    ("imgsz", "message"),
    [
        (630, "imgsz=630 is not a multiple of the model's largest stride 32; nearest: 608 or 640"),
        ([640, 10], "imgsz=10 is not a multiple .*; nearest: 32"),
        ([], "is no size"),
        ([1, 2, 3], "is no size"),
        ("640", "is no size"),
        (0, "is no size"),
    ],
)
def test_anything_else_is_refused(imgsz: Any, message: str) -> None:
    with pytest.raises(HooklineError, match=message):
        network_size(imgsz, 32)
