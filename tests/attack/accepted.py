"""Why each variant that is accepted may be: the table that every accepted case has to be in."""

from __future__ import annotations

REASONS: dict[str, str] = {}
"""``kind/variant`` -> why exit code 0 is right."""
