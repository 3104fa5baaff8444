"""The console script ``hookline``: check that ``core`` is the package of hookline, then run ``core.run``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

USER_ERROR = 2


def main() -> int:
    """Run the command line and return the exit code."""
    installation = _installation()
    if problem := installation.unsupported_system() or installation.replaced_package():
        print(f"error: {problem}", file=sys.stderr)
        return USER_ERROR
    try:
        from core.run import main as run
    except Exception:
        if problem := installation.overwritten_file():
            print(f"error: {problem}", file=sys.stderr)
            return USER_ERROR
        raise
    return run()


def _installation() -> ModuleType:
    """Load ``core/process/installation.py`` by path, since the package ``core`` may belong to another distribution."""
    file = Path(__file__).resolve().parent.parent / "core" / "process" / "installation.py"
    spec = importlib.util.spec_from_file_location("hookline.installation", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"'{file}' cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
