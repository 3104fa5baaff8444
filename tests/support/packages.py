"""The packages of hookline in this checkout."""

from __future__ import annotations

from pathlib import Path

from core.process import installation

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (installation.NAME, *installation.PACKAGES)
"""The packages that are shipped. pyproject.toml has to repeat them; tests/test_structure.py compares."""
