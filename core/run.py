"""``python -m core.run +stage=...``: the command line (console script ``hookline``).

Exit codes: 0 done, 1 a bug (with a traceback), 2 a user's mistake (one line), 130 ended by Ctrl-C, 143 by a signal.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HooklineError, reason_of
from core.media.native_output import private_stderr
from core.output_paths import output_path
from core.plugins import Plugins, load_plugins
from core.ranks import RANKS
from core.resuming import check_resumable, command, way_on
from core.run_directory import free_reserve, is_new, remember_directories, remove, run_directory
from core.run_files import keep_config, log_to
from core.signals import Terminated, end_by_exception, interruption_first
from core.version import __version__

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from core.compose import Request, Words
    from core.console import Console
    from core.context import RunContext
    from core.plan import Plan
    from core.store import Store

_LEAVES_NOTHING = ["hydra.output_subdir=null", "hydra.run.dir=."]
"""How Hydra leaves no directory behind in the processes that follow the first."""

USER_ERROR = 2
INTERRUPTED = 130
TERMINATED = 128 + signal.SIGTERM

# Read by CUDA when it starts, in whichever library that is; cuda:N is to be the GPU that nvidia-smi calls N for all.
os.environ.setdefault("CUDA_MODULE_LOADING", "LAZY")
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")


@lru_cache
def plugins_without(disabled: tuple[str, ...]) -> Plugins:
    """The loaded plugins; once a process and choice."""
    return load_plugins(disabled)


def main() -> int:
    """Run the command line in ``sys.argv``; gives the exit code."""
    arguments = sys.argv[1:]
    sys.stderr = private_stderr()  # image libraries write to the descriptor itself, which is watched while they work
    _keep_caches_here()
    end_by_exception(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    try:
        plugins = plugins_without(_disabled(arguments))
        if not arguments or {"-h", "--help"} & set(arguments):
            from core.usage import usage

            print(usage(arguments, plugins.registry))
            return 0
        if "--version" in arguments:
            print(f"hookline {__version__}")
            return 0
        return _through_hydra(plugins)
    except HooklineError as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt as end:
        if not _outcome.reported:
            print(str(end) or "interrupted", file=sys.stderr)
        return TERMINATED if isinstance(end, Terminated) else INTERRUPTED


def _keep_caches_here() -> None:
    """Keep the caches of libraries in ours, where the user has not said otherwise."""
    from core.context import cache_home

    for variable, folder in (("MPLCONFIGDIR", "matplotlib"), ("CUPY_CACHE_DIR", "cupy")):
        os.environ.setdefault(variable, str(cache_home() / folder))


def _disabled(arguments: Sequence[str]) -> tuple[str, ...]:
    """``plugins.disable=[...]``, read before Hydra starts because the plugins shape its config."""
    for argument in arguments:
        word, _, value = argument.partition("=")
        if word.lstrip("+") == "plugins.disable":
            return tuple(filter(None, (name.strip(" '\"") for name in value.strip("[]").split(","))))
    return ()


def _through_hydra(plugins: Plugins) -> int:
    import hydra

    from core.compose import register
    from core.explain import explain
    from core.runner import disk_errors

    os.environ["HYDRA_FULL_ERROR"] = "1"  # let errors come through; they are told here, in one line
    register(plugins)
    _outcome.code, _outcome.reported = 0, False
    if not RANKS.leader:
        sys.argv += _LEAVES_NOTHING
    try:
        with disk_errors(), remember_directories():
            hydra.main(version_base="1.3", config_path="pkg://conf", config_name="config")(_job)()
    except ToldError as told:
        return told.code
    except Exception as error:
        mistake = explain(error, plugins.registry)
        if mistake is None:
            raise
        raise mistake from error
    return _outcome.code


class ToldError(Exception):
    """A job of a sweep failed and the person has been told; carries the exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code

    def __reduce__(self) -> tuple[type[ToldError], tuple[int]]:
        return ToldError, (self.code,)  # crosses processes under joblib and submitit


class _Outcome:
    """What became of a run. Were it raised through Hydra, Hydra would add lines of its own.

    Attributes:
        code: Exit code of a single run.
        reported: The person has read why it ended.
        resume: The command that resumes it, empty where there is nothing to resume.
    """

    code = 0
    reported = False
    resume = ""


_outcome = _Outcome()


def _job(config: DictConfig) -> None:
    """One run; under a sweep, one of many."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from core.console import Console, SilentConsole

    settings = HydraConfig.get()
    overrides = list(settings.overrides.task)
    if settings.mode is RunMode.RUN:  # a job of a sweep is gone on with by itself
        overrides += [item for item in settings.overrides.hydra if not item.startswith("hydra.mode=")]
    run_dir = Path(settings.runtime.output_dir)
    console = Console() if RANKS.leader else SilentConsole()
    _outcome.resume = ""
    try:
        with interruption_first(), run_directory(run_dir) if RANKS.leader else nullcontext():
            _run_in(run_dir, config, console, overrides)
    except HooklineError as error:
        if RANKS.leader:  # the first process reports the mistakes that all make
            for problem in getattr(error, "problems", (error,)):
                console.error(str(problem))
        if settings.mode is RunMode.MULTIRUN:
            raise ToldError(USER_ERROR) from error
        _outcome.code = USER_ERROR
    except KeyboardInterrupt as error:
        console.note(reason_of(error))
        _outcome.reported = True
        raise
    finally:
        if _outcome.resume:
            console.note(f"to resume: {_outcome.resume}   (finished work is kept)")


def _run_in(run_dir: Path, config: DictConfig, console: Console, overrides: Sequence[str]) -> None:
    """The run, in a directory that is held; one in which nothing was made is removed."""
    if RANKS.leader:
        keep_config(config, run_dir)
    try:
        _run(config, plugins_without(tuple(config.plugins.disable)), run_dir, console, overrides)
    except HooklineError:
        if RANKS.leader and is_new(run_dir):
            remove(run_dir)
        raise


def _run(config: DictConfig, plugins: Plugins, run_dir: Path, console: Console, overrides: Sequence[str]) -> None:
    from core.compose import typed
    from core.context import cache_home
    from core.explain import explain
    from core.plan import make_plan
    from core.runner import follow_plan
    from core.store import Store
    from core.unused import unused_options

    try:
        request = typed(config, plugins.registry)
    except Exception as error:
        mistake = explain(error, plugins.registry)
        if mistake is None:
            raise
        raise mistake from error
    words = request.words
    for line in plugins.registry.broken:
        console.warn(f"broken plugin: {line}")
    context = _context(request, plugins, run_dir, console)
    plan = make_plan(request.stages, request.configs, context)
    store = Store(Path(words.store).expanduser().resolve() if words.store else cache_home() / "store")
    if not RANKS.leader:
        try:
            follow_plan(plan, context, store)
        except HooklineError as error:
            console.error(f"{error} (in process {RANKS.rank})")  # the first process may not know why it waits in vain
            raise
        return
    for line in unused_options(overrides, plan, plugins.registry):
        console.note(line)
    if words.resume:
        check_resumable(plan, run_dir, console.note)
    _execute(plan, context, store, words, plugins=plugins, console=console, overrides=overrides)


def _execute(
    plan: Plan,
    context: RunContext,
    store: Store,
    words: Words,
    *,
    plugins: Plugins,
    console: Console,
    overrides: Sequence[str],
) -> None:
    """Run a plan with its log, its observers and its summary."""
    from core.observers import Observers
    from core.runner import run_plan
    from core.summary import Recorder, Summary, check_summary, write_summary

    run_dir = context.run_dir
    check_summary(output_path(run_dir, "summary.json"))
    log_to(output_path(run_dir, "run.log"))
    summary = Summary(output_path(run_dir, "summary.json"), command(overrides), list(overrides))
    write_summary(summary)
    recorder = Recorder(summary)
    plugins.manager.register(recorder, name=f"recorder-{id(recorder)}")
    observers = Observers(plugins.manager, console.warn)
    start = time.perf_counter()
    try:
        observers.tell("before_run", plan=plan)
        with interruption_first():
            run_plan(plan, context, store, observers, reuse=words.reuse, resume=words.resume)
        summary.status, summary.resume = "finished", ""
    except BaseException as error:
        _outcome.resume = summary.resume = way_on(overrides, error, recorder.step, run_dir, kept=recorder.kept)
        summary.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        summary.error = reason_of(error)
        raise
    finally:
        free_reserve(run_dir)
        summary.seconds = time.perf_counter() - start
        summary.warnings = list(console.warnings)
        plugins.manager.unregister(recorder)
        observers.tell("after_run", summary=summary)


def _context(request: Request, plugins: Plugins, run_dir: Path, console: Console) -> RunContext:
    from core.context import RunContext, cache_home

    return RunContext(
        workdir=run_dir,
        run_dir=run_dir,
        cache_dir=cache_home(),
        seed=request.words.seed,
        device=request.words.device,
        registry=plugins.registry,
        options=lambda kind, name: request.options[kind, name],
        reporter=console,
    )


if __name__ == "__main__":
    from core.run import main as imported  # jobs of a sweep in other processes find this module by its name

    sys.exit(imported())
