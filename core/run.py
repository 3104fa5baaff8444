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
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HooklineError, PlanError
from core.plugins import Plugins, load_plugins
from core.version import __version__

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from core.compose import Request
    from core.console import Console
    from core.context import RunContext

USER_ERROR = 2
INTERRUPTED = 130

os.environ.setdefault("CUDA_MODULE_LOADING", "LAZY")  # read by CUDA when it starts, in whichever library that is


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
        _tell(error)
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

    os.environ["HYDRA_FULL_ERROR"] = "1"  # let errors come through; they are told here, in one line
    register(plugins)
    try:
        hydra.main(version_base="1.3", config_path="pkg://conf", config_name="config")(_job)()
    except _ToldError as told:
        return told.code
    except Exception as error:
        mistake = explain(error, plugins.registry)
        if mistake is None:
            raise
        raise mistake from error
    return 0


class _ToldError(Exception):
    """A run failed and the person has been told; carries the exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code

    def __reduce__(self) -> tuple[type[_ToldError], tuple[int]]:
        return _ToldError, (self.code,)  # crosses processes under joblib and submitit


def _job(config: DictConfig) -> None:
    """One run; under a sweep, one of many."""
    from hydra.core.hydra_config import HydraConfig

    from core.compose import typed
    from core.console import Console

    plugins = plugins_without(tuple(config.plugins.disable))
    settings = HydraConfig.get()
    run_dir = Path(settings.runtime.output_dir)
    console = Console()
    overrides = list(settings.overrides.task)
    try:
        request = typed(config, plugins.registry)
    except Exception:
        _remove_empty(run_dir)
        raise
    _guarded(lambda: _run(request, plugins, run_dir, console, overrides), run_dir, console, overrides)


def _guarded(work: Callable[[], None], run_dir: Path, console: Console, overrides: Sequence[str]) -> None:
    """Tell a user's mistake in one line each, and how to go on."""
    try:
        work()
    except PlanError as error:
        for problem in error.problems:
            console.error(str(problem))
        _remove_empty(run_dir)
        raise _ToldError(USER_ERROR) from error
    except HooklineError as error:
        console.error(str(error))
        console.note(f"to resume: {command(overrides)}   (finished stages come from the store)")
        raise _ToldError(USER_ERROR) from error
    except KeyboardInterrupt:
        console.note(f"interrupted; to resume: {command(overrides)}   (finished stages come from the store)")
        raise


def _run(request: Request, plugins: Plugins, run_dir: Path, console: Console, overrides: Sequence[str]) -> None:
    from core.context import cache_home
    from core.plan import make_plan
    from core.runner import run_plan
    from core.store import Store
    from core.summary import Recorder, Summary

    words = request.words
    for line in plugins.registry.broken:
        console.warn(f"broken plugin: {line}")
    context = _context(request, plugins, run_dir, console)
    plan = make_plan(request.stages, request.configs, context)
    _log_to(run_dir / "run.log")
    summary = Summary(run_dir / "summary.json", command(overrides), list(overrides))
    recorder = Recorder(summary)
    hook = plugins.manager.hook
    plugins.manager.register(recorder, name=f"recorder-{id(recorder)}")
    store = Store(Path(words.store).expanduser().resolve() if words.store else cache_home() / "store")
    start = time.perf_counter()
    try:
        hook.hookline_before_run(plan=plan)
        run_plan(plan, context, store, hook, reuse=words.reuse)
        summary.status = "finished"
    except BaseException as error:
        summary.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        summary.error = str(error) or type(error).__name__
        raise
    finally:
        summary.seconds = time.perf_counter() - start
        summary.warnings = list(console.warnings)
        plugins.manager.unregister(recorder)
        hook.hookline_after_run(summary=summary)


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


def _log_to(file: Path) -> None:
    log = logging.getLogger("hookline")
    log.setLevel(logging.INFO)
    log.propagate = False
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)


def _remove_empty(run_dir: Path) -> None:
    """Remove the directory of a run that never began; Hydra's own notes do not count."""
    if run_dir.is_dir() and {item.name for item in run_dir.iterdir()} <= {".hydra"}:
        shutil.rmtree(run_dir)
        for parent in list(run_dir.parents)[:2]:
            if parent.name and not any(parent.iterdir()):
                parent.rmdir()


def _tell(error: HooklineError) -> None:
    for problem in getattr(error, "problems", (error,)):
        print(f"error: {problem}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
