"""The public interface of hookline for plugins, scripts and notebooks.

Names are imported on first use, so that ``import hookline`` is cheap. The table of names is the stub ``__init__.pyi``,
which type checkers read, too. The packages behind it (``core``, ``stages``, ``backends``) may change without notice;
CHANGELOG.md lists every change of this package.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path


def _read_stub() -> Mapping[str, str]:
    """Return the module of each public name: ``from <module> import <name> as <name>`` in the stub."""
    text = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    return {name: module for module, name in re.findall(r"^from (\S+) import (\w+) as \2\b", text, re.MULTILINE)}


MODULES: Mapping[str, str] = _read_stub()
"""Public name -> the module that defines it."""

__all__ = list(MODULES)


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in MODULES:
        raise AttributeError(f"module 'hookline' has no attribute '{name}'")
    value = getattr(importlib.import_module(MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names and the attributes of the module."""
    return sorted({*globals(), *MODULES})
