"""Runs that a function call starts, in the process of a script, a notebook or a test."""

from __future__ import annotations

import copy
import io
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins as HydraPlugins
from hydra.version import VersionBase
from omegaconf import DictConfig, open_dict, read_write

from core.config.command_line import prepared
from core.config.compose import PluginSearchPath, Request, register, typed
from core.config.explain import explained
from core.errors import HooklineError, shown
from core.execution.console import Console, log, printing_to
from core.execution.job import carry_out, new_summary
from core.execution.run_directory import remember_directories
from core.execution.run_result import RunResult
from core.execution.runner import make_steps
from core.execution.setup import disabled_plugins, plugins_without, run_context, warn_of_plugins
from core.files.paths import check_working_directory
from core.files.regular_file import disk_errors
from core.planning.option_checks import unused_options
from core.planning.planner import make_plan
from core.process.environment import RANKS, set_cache_folders, set_libraries, store_root
from core.storage.store import Store

if TYPE_CHECKING:
    from core.artifacts import Artifact
    from core.kinds.context import RunContext
    from core.plugins.discovery import Plugins
    from core.plugins.registry import Registry

_ONE_AT_A_TIME = threading.RLock()
"""Hydra composes one configuration per process at a time."""
_RUN_DIR = "hydra.run.dir"


class _NullStream(io.TextIOBase, TextIO):
    """A stream that discards its input."""

    def write(self, text: str, /) -> int:
        """Discard ``text``."""
        return len(text)


class CallConsole(Console):
    """Console of a function call: the function raises an error instead of printing it."""

    def error(self, message: str) -> None:
        """Write the error of a run to its log."""
        log.error(message)


def run_in_process(overrides: Sequence[str], *, quiet: bool = False) -> RunResult:
    """Run ``overrides`` as the command line does.

    Args:
        overrides: Arguments of the command line without flags, e.g. ``["+stage=build", "precision=int8"]``.
        quiet: Print nothing.

    Raises:
        HooklineError: The run failed.
    """
    with _console(quiet=quiet) as console, composed(overrides, console) as (config, plugins):
        summary = new_summary()
        with disk_errors(), remember_directories():
            if RANKS.leader:
                summary.path.parent.mkdir(parents=True, exist_ok=True)
            return RunResult(summary, carry_out(config, summary, plugins, console))


def make_in_process(overrides: Sequence[str], *, quiet: bool = False) -> tuple[list[Artifact], Request, RunContext]:
    """Run the stages of ``overrides`` in the store, without a run's directory and without lifecycle hooks.

    Args:
        overrides: As for :func:`run_in_process`.
        quiet: Print nothing.

    Returns:
        The artifact of each step of the plan, the typed request, and a context that outlives the call.

    Raises:
        HooklineError: A stage failed.
    """
    with _console(quiet=quiet) as console, composed(overrides, console) as (config, plugins):
        request = typed(config, plugins.registry)
        warn_of_plugins(plugins, request, console)
        context = run_context(request, run_dir=Path.cwd(), reporter=console)
        plan = make_plan(request.stages, request.configs, context, request.top_level)
        for line in unused_options(overrides, plan, request.registry):
            console.note(line)
        store = Store(store_root(request.top_level.store))
        return make_steps(plan, context, store, reuse=request.top_level.reuse), request, context


@contextmanager
def composed(overrides: Sequence[str], console: Console) -> Iterator[tuple[DictConfig, Plugins]]:
    """Compose the configuration as the command line does; restore the caller's state of Hydra after the block.

    Yields:
        The configuration, and the plugins that extend it.

    Raises:
        HooklineError: An argument cannot be parsed, or is not allowed in a function call.
    """
    for item in overrides:
        if not isinstance(item, str):
            raise HooklineError(f"an argument must be a string, not {shown(item)}", "give each as 'name=value'")
    set_cache_folders()
    set_libraries()
    plugins = plugins_without(disabled_plugins(overrides))
    arguments = _prepared(overrides, plugins.registry, console)
    with _ONE_AT_A_TIME, _hydra_restored(), explained(plugins.registry):
        register(plugins)
        yield _composed(arguments), plugins


def _prepared(overrides: Sequence[str], registry: Registry, console: Console) -> tuple[str, ...]:
    for item in overrides:
        name = item.partition("=")[0].lstrip("+~")
        if item.startswith("-"):
            raise HooklineError(f"{shown(item)} is a flag of the command line", "give stages and options only")
        if name.startswith("hydra") and name != _RUN_DIR:
            raise HooklineError(f"{shown(name)} has no effect in a function call", f"possible: {_RUN_DIR}=<folder>")
    check_working_directory()
    line = prepared(overrides, registry)
    for note in line.notes:
        console.note(note)
    return line.arguments


def _composed(arguments: Sequence[str]) -> DictConfig:
    """Compose as ``hydra.main`` does, and set the run in Hydra's configuration."""
    with initialize_config_module("conf", job_name="hookline", version_base="1.3"):
        config = compose("config", list(arguments), return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
        config.hydra.runtime.output_dir = os.path.abspath(config.hydra.run.dir)
    HydraConfig.instance().set_config(config)
    own = copy.deepcopy(config)
    with read_write(own), open_dict(own):
        del own["hydra"]
    return own


@contextmanager
def _hydra_restored() -> Iterator[None]:
    """Restore Hydra's global state after the block, for notebooks and applications that use Hydra themselves."""
    HydraPlugins.instance()  # imports Hydra's plugins, which add to the configuration store
    application, settings, nodes, base = (
        GlobalHydra.instance(), HydraConfig.instance(), ConfigStore.instance(), VersionBase.instance(),
    )  # fmt: skip
    previous = application.hydra, settings.cfg, _copied(nodes.repo), base.version_base
    packages = PluginSearchPath.packages
    application.clear()
    try:
        yield
    finally:
        GlobalHydra.set_instance(application)  # Hydra replaces the instance
        application.hydra, settings.cfg, nodes.repo, base.version_base = previous
        PluginSearchPath.packages = packages


def _copied(repo: dict[str, object]) -> dict[str, object]:
    """Copy the groups of a configuration store; its nodes are never changed."""
    return {name: _copied(item) if isinstance(item, dict) else item for name, item in repo.items()}


@contextmanager
def _console(*, quiet: bool) -> Iterator[CallConsole]:
    """Yield a console that prints results on standard error too: a function returns its results."""
    stream = _NullStream() if quiet else sys.stderr
    with printing_to(stream, stream):
        yield CallConsole()
