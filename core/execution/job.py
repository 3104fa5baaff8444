"""One run of a composed configuration, and what is kept of it however it ends.

Hydra calls :func:`job` for the command line; :mod:`core.execution.in_process` calls :func:`carry_out` for functions.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HooklineError, code_of, reason_of
from core.execution.resuming import check_resumable, way_on
from core.execution.run_directory import free_reserve, is_new, remove, run_directory
from core.execution.run_files import RunLog, keep_config
from core.execution.status import StatusWriter
from core.execution.summary import SummaryRecorder, check_replaced, write_summary
from core.files.paths import output_path, user_path
from core.files.quoting import command
from core.kinds.lifecycle import Summary
from core.plugins.discovery import ENVIRONMENT, Plugins
from core.plugins.loading import load_plugins
from core.process.environment import RANKS
from core.process.signals import interruption_first

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from core.artifacts import Artifact
    from core.config.compose import Request
    from core.execution.console import Console
    from core.kinds.context import RunContext
    from core.kinds.lifecycle import Plan
    from core.options.words import Words
    from core.reporting import Reporter
    from core.storage.store import Store

USER_ERROR = 2
LEADER_SECONDS = 10.0
"""How long a process of rank 1 or more waits before it reports an error.

Most mistakes stop all processes. torchrun ends the others as soon as one exits: without the wait, a leader that starts
late would be ended before it has printed anything. It ends the waiting ones when the leader has exited.
"""
INTERRUPTED = 130
TERMINATED = 128 + signal.SIGTERM


class ReportedError(Exception):
    """A job of a sweep failed and the error has been printed; carries the exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code

    def __reduce__(self) -> tuple[type[ReportedError], tuple[int]]:
        return ReportedError, (self.code,)  # crosses processes under joblib and submitit


class RunOutcome:
    """How the runs of this process ended. Exceptions that pass through Hydra make it print lines of its own.

    Attributes:
        code: Exit code of a single run.
        reported: Why it ended has been printed.
        summaries: Of the runs of this process, in order.
        error: Why none of them began.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget earlier runs."""
        self.code, self.reported, self.summaries = 0, False, list[Summary]()
        self.error: HooklineError | KeyboardInterrupt | None = None

    def contents(self, line: str) -> list[dict[str, object]]:
        """Return the summary of each run; of the command ``line`` where none began."""
        if self.error and not self.summaries:
            status = "interrupted" if isinstance(self.error, KeyboardInterrupt) else "failed"
            return [{"command": line, "status": status, "code": code_of(self.error), "error": reason_of(self.error)}]
        return [summary.as_json() | ({} if summary.path.exists() else {"path": ""}) for summary in self.summaries]


outcome = RunOutcome()


def plugins_without(disabled: tuple[str, ...]) -> Plugins:
    """Return the loaded plugins; they are loaded once per process, choice and ``$HOOKLINE_PLUGINS``."""
    return _plugins(disabled, os.environ.get(ENVIRONMENT, ""))


@lru_cache
def _plugins(disabled: tuple[str, ...], modules: str) -> Plugins:
    return load_plugins(disabled, modules)


def disabled_plugins(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return what ``plugins.disable=[...]`` names, read before Hydra starts because the plugins shape its config."""
    for argument in arguments:
        word, _, value = argument.partition("=")
        if word.lstrip("+") == "plugins.disable":
            return tuple(filter(None, (name.strip(" '\"") for name in value.strip("[]").split(","))))
    return ()


def job(config: DictConfig) -> None:
    """Run what ``config`` says; in a sweep, one job of many."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from core.execution.console import Console, SilentConsole

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
    """Return the summary of the run whose configuration Hydra has composed, before anything has run."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    settings = HydraConfig.get()
    given = OmegaConf.to_container(settings.overrides.task, resolve=False)
    overrides = [str(item) for item in given] if isinstance(given, list) else []
    if settings.mode is RunMode.RUN:  # a job of a sweep is resumed by itself
        overrides += [item for item in settings.overrides.hydra if not item.startswith("hydra.mode=")]
    return Summary(output_path(Path(settings.runtime.output_dir), "summary.json"), command(overrides), overrides)


def carry_out(config: DictConfig, summary: Summary, plugins: Plugins, console: Console) -> dict[str, Artifact]:
    """Run what ``config`` says in the directory of ``summary``, and keep log and summary however it ends.

    Returns:
        The newest artifact of each stage.

    Raises:
        HooklineError: The run could not do what was asked; ``console`` has reported why.
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
    """Print and log why a run ended, and how to resume it. Python prints the traceback of a bug."""
    if isinstance(error, HooklineError):
        if not RANKS.leader:
            time.sleep(LEADER_SECONDS)
        where = "" if RANKS.leader else f" (in process {RANKS.rank})"
        for problem in getattr(error, "problems", (error,)):
            console.error(f"{problem}{where}")
    elif isinstance(error, KeyboardInterrupt):
        console.note(summary.error)
    elif RANKS.leader:
        log.open(output_path(summary.path.parent, "run.log"))
        log.error(error)
    log.cause(error)
    if summary.resume:
        again = "to resume" if "resume=true" in summary.resume else "to run it again"
        console.note(f"{again}: {summary.resume}   (finished stages are kept)")


def _run_in(
    config: DictConfig, summary: Summary, plugins: Plugins, console: Console, log: RunLog
) -> dict[str, Artifact]:
    """The run, in a directory that is held; one in which nothing was made is removed."""
    run_dir = summary.path.parent
    if RANKS.leader:
        keep_config(config, run_dir)
    try:
        return _run(config, plugins, summary, console, log)
    except HooklineError:
        if RANKS.leader and is_new(run_dir):
            remove(run_dir)
        raise


def _run(config: DictConfig, plugins: Plugins, summary: Summary, console: Console, log: RunLog) -> dict[str, Artifact]:
    from core.config.compose import typed
    from core.config.explain import explained
    from core.execution.runner import follow_plan
    from core.planning.option_checks import unused_options
    from core.planning.planner import make_plan
    from core.storage.store import Store

    run_dir = summary.path.parent
    with explained(plugins.registry):
        request = typed(config, plugins.registry)
    words = request.words
    for line in request.registry.broken:
        console.warn(f"broken plugin: {line}")
    for line in plugins.warnings:
        console.warn(line)
    context = run_context(request, run_dir, console)
    plan = make_plan(request.stages, request.configs, context, words)
    store = Store(store_root(words))
    if not RANKS.leader:
        follow_plan(plan, context, store)
        return {}
    for line in unused_options(summary.overrides, plan, plugins.registry):
        console.note(line)
    if words.resume:
        check_resumable(plan, run_dir, console.note)
    check_replaced(run_dir)
    log.open(output_path(run_dir, "run.log"))
    write_summary(summary)
    return _execute(plan, context, store, words, plugins=plugins, console=console, summary=summary)


def _execute(
    plan: Plan,
    context: RunContext,
    store: Store,
    words: Words,
    *,
    plugins: Plugins,
    console: Console,
    summary: Summary,
) -> dict[str, Artifact]:
    """Run a plan with its observers and its summary."""
    from core.execution.observers import Observers
    from core.execution.participants import Participants
    from core.execution.runner import run_plan

    recorder, monitor = SummaryRecorder(summary), StatusWriter(context.run_dir)
    participants = Participants(summary, context, plugins.manager)
    for own in (recorder, monitor, participants):
        plugins.manager.register(own, name=f"{type(own).__name__}-{id(own)}")
    console.watcher = monitor
    observers = Observers(plugins.manager, console.warn)
    start = time.perf_counter()
    try:
        observers.tell("before_run", plan=plan)
        with interruption_first():
            made = run_plan(plan, context, store, observers, reuse=words.reuse, resume=words.resume)
        summary.status, summary.resume = "finished", ""
    except BaseException as error:
        summary.end(error)
        summary.resume = way_on(summary.overrides, error, recorder.step, context.run_dir, kept=recorder.kept)
        raise
    finally:
        free_reserve(context.run_dir)
        summary.seconds = time.perf_counter() - start
        summary.warnings = list(console.warnings)
        plugins.manager.unregister(recorder)
        plugins.manager.unregister(participants)
        observers.tell("after_run", summary=summary)
        plugins.manager.unregister(monitor)
    return {step.stage.name: artifact for step, artifact in zip(plan.steps, made, strict=True)}


def run_context(request: Request, run_dir: Path, reporter: Reporter) -> RunContext:
    """Return the context of a run, from which each stage gets its own."""
    from core.kinds.context import RunContext
    from core.process.environment import cache_home

    return RunContext(
        workdir=run_dir,
        run_dir=run_dir,
        cache_dir=cache_home(),
        seed=request.words.seed,
        device=request.words.device,
        backend=request.words.backend,
        registry=request.registry,
        options=lambda kind, name: request.options[kind, name],
        reporter=reporter,
    )


def store_root(words: Words) -> Path:
    """Return the folder of the store: ``store=``, else the one in the cache folder."""
    from core.process.environment import cache_home

    return user_path(words.store).resolve() if words.store else cache_home() / "store"
