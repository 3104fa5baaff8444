"""For checks of ``+stage=doctor``: what a check is asked, and what it finds."""

from core.checks import (
    Asked,
    CheckFunction,
    Finding,
    State,
    absent,
    broken,
    doubtful,
    fine,
    found_at,
)

__all__ = [
    "Asked",
    "CheckFunction",
    "Finding",
    "State",
    "absent",
    "broken",
    "doubtful",
    "fine",
    "found_at",
]
