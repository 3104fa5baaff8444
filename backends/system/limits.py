"""Time limits of checks."""

from __future__ import annotations

CHECK_LIMIT = 90.0
"""Seconds for a check that runs a subprocess."""
