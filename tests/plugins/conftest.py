"""The packages of this folder: installed by pip as a user installs them, or imported from their sources."""

from __future__ import annotations

import sys
from pathlib import Path

SOURCES = Path(__file__).parent
sys.path.append(str(SOURCES / "hookline-anchorfree"))  # for unit tests; no entry point lies there
