"""Names for plugins that add checks to ``+stage=doctor``."""

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
