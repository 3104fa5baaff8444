"""``python -m core.run +stage=...``: the command line (console script ``hookline``).

Exit codes: 0 done, 1 a bug (with a traceback), 2 a user's mistake (one line), 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HooklineError
from core.plugins import Plugins, load_plugins
from core.ranks import RANKS
from core.version import __version__

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from core.compose import Request
    from core.console import Console
    from core.context import RunContext
    from core.stage import Stage

_LEAVES_NOTHING = ["hydra.output_subdir=null", "hydra.run.dir=."]
"""How Hydra leaves no directory behind in the processes that follow the first."""

USER_ERROR = 2
INTERRUPTED = 130

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
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


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
    _outcome.code, _outcome.unfinished = 0, None
    if not RANKS.leader:
        sys.argv += _LEAVES_NOTHING
    try:
        with disk_errors():
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
    """Exit code of a single run (were it raised through Hydra, Hydra would add lines of its own), and what failed."""

    code = 0
    unfinished: Stage | None = None


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
    try:
        _run(config, plugins_without(tuple(config.plugins.disable)), run_dir, console, overrides)
    except KeyboardInterrupt:
        console.note(f"interrupted; to resume: {resumption(overrides)}")
        raise
    except HooklineError as error:
        _tell(error, console, overrides, run_dir)
        if settings.mode is RunMode.MULTIRUN:
            raise ToldError(USER_ERROR) from error
        _outcome.code = USER_ERROR


def _tell(error: HooklineError, console: Console, overrides: Sequence[str], run_dir: Path) -> None:
    """A user's mistake, in one line each; and how to go on where something had begun."""
    if not RANKS.leader:
        return  # the first process tells the mistakes that all make; those of this one alone are told
    for problem in getattr(error, "problems", (error,)):
        console.error(str(problem))
    if not _remove_empty(run_dir):
        console.note(f"then go on with: {resumption(overrides)}")


def _run(config: DictConfig, plugins: Plugins, run_dir: Path, console: Console, overrides: Sequence[str]) -> None:
    from core.compose import typed
    from core.context import cache_home
    from core.explain import explain
    from core.observers import Observers
    from core.plan import make_plan
    from core.runner import follow_plan, run_plan
    from core.store import Store
    from core.summary import Recorder, Summary

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
    _log_to(run_dir / "run.log")
    summary = Summary(run_dir / "summary.json", command(overrides), list(overrides))
    recorder = Recorder(summary)
    plugins.manager.register(recorder, name=f"recorder-{id(recorder)}")
    observers = Observers(plugins.manager, console.warn)
    start = time.perf_counter()
    try:
        observers.tell("before_run", plan=plan)
        run_plan(plan, context, store, observers, reuse=words.reuse)
        summary.status = "finished"
    except BaseException as error:
        _outcome.unfinished = recorder.failed
        summary.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        summary.error = str(error) or type(error).__name__
        raise
    finally:
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


def command(overrides: Sequence[str]) -> str:
    """The shell command of a run."""
    return shlex.join(["python", "-m", "core.run", *overrides])


def resumption(overrides: Sequence[str]) -> str:
    """The command that goes on with an interrupted run."""
    resumable = _outcome.unfinished is not None and _outcome.unfinished.resumable
    if not resumable:
        return f"{command(overrides)}   (finished stages come from the store)"
    others = [item for item in overrides if not item.startswith("resume=")]
    return f"{command([*others, 'resume=true'])}   (finished stages come from the store, finished epochs are kept)"


def _log_to(file: Path) -> None:
    logging.raiseExceptions = False  # a full disk is told once, by what needed it, not by the log too
    log = logging.getLogger("hookline")
    log.setLevel(logging.INFO)
    log.propagate = False
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)


def _remove_empty(run_dir: Path) -> bool:
    """Remove the directory of a run that never began (Hydra's own notes do not count); whether it was one."""
    if not run_dir.is_dir() or not {item.name for item in run_dir.iterdir()} <= {".hydra"}:
        return False
    shutil.rmtree(run_dir)
    here = Path.cwd()
    for parent in run_dir.parents:
        if here not in parent.parents or any(parent.iterdir()):
            break
        parent.rmdir()
    return True


if __name__ == "__main__":
    from core.run import main as imported  # jobs of a sweep in other processes find this module by its name

    sys.exit(imported())
