"""The one number by which the best epoch is chosen."""

from __future__ import annotations


def fitness(map50: float, map50_95: float) -> float:
    """0.1 of mAP50 and 0.9 of mAP50-95, 0..1."""
    return 0.1 * map50 + 0.9 * map50_95
