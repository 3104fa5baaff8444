"""The package of tests/plugins, importable from its source for unit tests, without an entry point."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "plugins" / "hookline-anchorfree"))
