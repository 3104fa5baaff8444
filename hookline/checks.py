"""For checks of ``+stage=doctor``: what a check is asked, and what it finds."""

from core.kinds.check import CheckFunction, Finding, State, Target, absent, broken, doubtful, fine, found_at

__all__ = [
    "CheckFunction",
    "Finding",
    "State",
    "Target",
    "absent",
    "broken",
    "doubtful",
    "fine",
    "found_at",
]
