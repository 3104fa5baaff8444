"""Set-up of a run: its plugins and its context."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.plugins.discovery import ENVIRONMENT, Plugins
from core.plugins.loading import load_plugins
from core.process.environment import cache_home

if TYPE_CHECKING:
    from core.config.compose import Request
    from core.kinds.context import RunContext
    from core.reporting import Reporter


def plugins_without(disabled: tuple[str, ...]) -> Plugins:
    """Return the loaded plugins without the ``disabled`` ones; cached per process and ``$HOOKLINE_PLUGINS``."""
    return _plugins(disabled, os.environ.get(ENVIRONMENT, ""))


@lru_cache
def _plugins(disabled: tuple[str, ...], modules: str) -> Plugins:
    return load_plugins(disabled, modules)


def disabled_plugins(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the names in ``plugins.disable=[...]``. Plugins extend the configuration, so this precedes Hydra."""
    for argument in arguments:
        option, _, value = argument.partition("=")
        if option.lstrip("+") == "plugins.disable":
            return tuple(filter(None, (name.strip(" '\"") for name in value.strip("[]").split(","))))
    return ()


def warn_of_plugins(plugins: Plugins, request: Request, reporter: Reporter) -> None:
    """Print a warning per broken plugin, and the warnings of the others."""
    for line in request.registry.broken:
        reporter.warn(f"broken plugin: {line}")
    for line in plugins.warnings:
        reporter.warn(line)


def run_context(request: Request, run_dir: Path, reporter: Reporter) -> RunContext:
    """Return the context of a run; each stage gets a copy with its own ``workdir``."""
    from core.kinds.context import RunContext

    return RunContext(
        workdir=run_dir,
        run_dir=run_dir,
        cache_dir=cache_home(),
        seed=request.top_level.seed,
        device=request.top_level.device,
        backend=request.top_level.backend,
        registry=request.registry,
        options=lambda kind, name: request.options[kind, name],
        reporter=reporter,
    )
