"""Calls the lifecycle hooks; an observer that fails is reported and changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from core.hooks import Hooks
from core.hookspecs import PROJECT


class Observers:
    """The lifecycle hooks of all plugins.

    Args:
        hooks: Holds the plugins.
        warn: Gets one line for each plugin that fails: its name, the hook and why.
    """

    def __init__(self, hooks: Hooks, warn: Callable[[str], None]) -> None:
        self._hooks = hooks
        self._warn = warn

    def tell(self, event: str, **arguments: object) -> None:
        """Call ``hookline_<event>`` of every plugin, last registered first, each with the arguments that it takes."""
        with self._hooks.reporting(self._warn):
            getattr(self._hooks.hook, f"{PROJECT}_{event}")(**arguments)
