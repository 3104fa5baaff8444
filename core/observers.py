"""Calls the lifecycle hooks one by one, so that an observer that fails changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

from core.hookspecs import PROJECT


class Observers:
    """The lifecycle hooks of all plugins.

    Args:
        manager: Holds the plugins.
        warn: Is told which plugin failed, in which hook and why.
    """

    def __init__(self, manager: pluggy.PluginManager, warn: Callable[[str], None]) -> None:
        self._manager = manager
        self._warn = warn

    def tell(self, event: str, **arguments: Any) -> None:
        """Call ``hookline_<event>`` of every plugin, last registered first, each with the arguments it takes."""
        name = f"{PROJECT}_{event}"
        for implementation in reversed(getattr(self._manager.hook, name).get_hookimpls()):
            try:
                implementation.function(*(arguments[argument] for argument in implementation.argnames))
            except Exception as error:
                self._warn(
                    f"plugin '{implementation.plugin_name}' failed in {name} ({type(error).__name__}: {error}); "
                    f"plugins.disable=[{implementation.plugin_name}] leaves it out"
                )
