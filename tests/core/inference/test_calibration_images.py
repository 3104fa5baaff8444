from __future__ import annotations

import pytest

from core.inference.calibration_images import SMALL, small_note


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, "calibrated on 1 image: "), (SMALL - 1, f"calibrated on {SMALL - 1} images: "), (SMALL, ""), (200, "")],
)
def test_few_images_are_reported_with_their_number(count: int, expected: str) -> None:
    assert "".join(small_note(count)).startswith(expected)
    assert bool(small_note(count)) is bool(expected)
