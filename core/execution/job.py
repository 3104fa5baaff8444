"""One run of a composed configuration: plan, execution, summary and the report of its end.

Hydra calls :func:`job` for the command line; :mod:`core.execution.in_process` calls :func:`carry_out` for functions.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from core.config.compose import typed
from core.config.explain import explained
from core.errors import HooklineError
from core.execution.console import Console, SilentConsole
from core.execution.observers import Observers
from core.execution.outcome import USER_ERROR, ReportedError, outcome
from core.execution.recorder import SummaryRecorder
from core.execution.resuming import check_resumable, command_after
from core.execution.run_directory import free_reserve, is_new, remove, run_directory
from core.execution.run_files import RunLog, write_config
from core.execution.runner import follow_plan, run_plan
from core.execution.setup import plugins_without, run_context, warn_of_plugins
from core.execution.status import StatusWriter
from core.execution.summary import check_replaced, write_summary
from core.execution.used_plugins import UsedPlugins
from core.files.paths import output_path
from core.files.quoting import command
from core.kinds.lifecycle import Summary
from core.planning.option_checks import unused_options
from core.planning.planner import make_plan
from core.plugins.discovery import Plugins
from core.process.environment import RANKS, store_root
from core.process.signals import interruption_first
from core.storage.store import Store

if TYPE_CHECKING:
    from core.artifacts import Artifact
    from core.kinds.context import RunContext
    from core.kinds.lifecycle import Plan
    from core.options.top_level import TopLevelOptions

LEADER_SECONDS = 10.0
"""Seconds that a non-zero rank waits before it reports an error.

Most errors stop all ranks, and torchrun ends the others as soon as one exits. Without the wait, a leader that starts
late would be ended before it has printed its error.
"""


def job(config: DictConfig) -> None:
    """Run one configuration of the command line; a sweep calls this once per job."""
    summary = new_summary()
    outcome.summaries.append(summary)
    plugins = plugins_without(tuple(config.plugins.disable))
    try:
        carry_out(config, summary, plugins, Console() if RANKS.leader else SilentConsole())
    except KeyboardInterrupt:
        outcome.reported = True
        raise
    except HooklineError as error:
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            raise ReportedError(USER_ERROR) from error
        outcome.code = USER_ERROR


def new_summary() -> Summary:
    """Return the initial summary of the run that Hydra has composed."""
    settings = HydraConfig.get()
    given = OmegaConf.to_container(settings.overrides.task, resolve=False)
    overrides = [str(item) for item in given] if isinstance(given, list) else []
    if settings.mode is RunMode.RUN:  # each job of a sweep is resumed on its own
        overrides += [item for item in settings.overrides.hydra if not item.startswith("hydra.mode=")]
    return Summary(output_path(Path(settings.runtime.output_dir), "summary.json"), command(overrides), overrides)


def carry_out(config: DictConfig, summary: Summary, plugins: Plugins, console: Console) -> dict[str, Artifact]:
    """Run ``config`` in the directory of ``summary``; write log and summary even if the run fails.

    Returns:
        The newest artifact of each stage.

    Raises:
        HooklineError: The run failed; ``console`` has reported why.
    """
    run_dir = summary.path.parent
    with RunLog() as log:
        try:
            with interruption_first(), run_directory(run_dir) if RANKS.leader else nullcontext():
                return _run_in(config, summary, plugins, console, log)
        except BaseException as error:
            summary.end(error)
            _report(error, summary, console, log)
            raise


def _report(error: BaseException, summary: Summary, console: Console, log: RunLog) -> None:
    """Print and log why a run ended and how to resume it. Python prints the traceback of a bug."""
    if isinstance(error, HooklineError):
        if not RANKS.leader:
            time.sleep(LEADER_SECONDS)
        where = "" if RANKS.leader else f" (rank {RANKS.rank})"
        for problem in getattr(error, "problems", (error,)):
            console.error(f"{problem}{where}")
    elif isinstance(error, KeyboardInterrupt):
        console.note(summary.error)
    elif RANKS.leader:
        log.open(output_path(summary.path.parent, "run.log"))
        log.error(error)
    log.cause(error)
    if summary.resume:
        purpose = "to resume" if "resume=true" in summary.resume else "to run again"
        console.note(f"{purpose}: {summary.resume}   (finished stages are kept)")


def _run_in(
    config: DictConfig, summary: Summary, plugins: Plugins, console: Console, log: RunLog
) -> dict[str, Artifact]:
    """Run in a locked directory; remove it after an error if the run has written no results."""
    run_dir = summary.path.parent
    if RANKS.leader:
        write_config(config, run_dir)
    try:
        return _run(config, plugins, summary, console, log)
    except HooklineError:
        if RANKS.leader and is_new(run_dir):
            remove(run_dir)
        raise


def _run(config: DictConfig, plugins: Plugins, summary: Summary, console: Console, log: RunLog) -> dict[str, Artifact]:
    run_dir = summary.path.parent
    with explained(plugins.registry):
        request = typed(config, plugins.registry)
    top_level = request.top_level
    warn_of_plugins(plugins, request, console)
    context = run_context(request, run_dir, console)
    plan = make_plan(request.stages, request.configs, context, top_level)
    store = Store(store_root(top_level.store))
    if not RANKS.leader:
        follow_plan(plan, context, store)
        return {}
    for line in unused_options(summary.overrides, plan, plugins.registry):
        console.note(line)
    if top_level.resume:
        check_resumable(plan, run_dir, console.note)
    check_replaced(run_dir)
    log.open(output_path(run_dir, "run.log"))
    write_summary(summary)
    return _execute(plan, context, store, top_level, plugins=plugins, console=console, summary=summary)


def _execute(
    plan: Plan,
    context: RunContext,
    store: Store,
    top_level: TopLevelOptions,
    *,
    plugins: Plugins,
    console: Console,
    summary: Summary,
) -> dict[str, Artifact]:
    """Run a plan with its lifecycle hooks, status.json and summary.json."""
    recorder, monitor = SummaryRecorder(summary), StatusWriter(context.run_dir)
    used = UsedPlugins(summary, context, plugins.manager)
    for own in (recorder, monitor, used):
        plugins.manager.register(own, name=f"{type(own).__name__}-{id(own)}")
    console.watcher = monitor
    observers = Observers(plugins.manager, console.warn)
    start = time.perf_counter()
    try:
        observers.notify("before_run", plan=plan)
        with interruption_first():
            made = run_plan(plan, context, store, observers, reuse=top_level.reuse, resume=top_level.resume)
        summary.status, summary.resume = "finished", ""
    except BaseException as error:
        summary.end(error)
        summary.resume = command_after(summary.overrides, error, recorder.step, context.run_dir, kept=recorder.kept)
        raise
    finally:
        free_reserve(context.run_dir)
        summary.seconds = time.perf_counter() - start
        summary.warnings = list(console.warnings)
        plugins.manager.unregister(recorder)
        plugins.manager.unregister(used)
        observers.notify("after_run", summary=summary)
        plugins.manager.unregister(monitor)
    return {step.stage.name: artifact for step, artifact in zip(plan.steps, made, strict=True)}
