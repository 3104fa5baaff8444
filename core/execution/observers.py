"""The calls of the lifecycle hooks, and the plugin that prints the plan, the stages and the end of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.kinds.lookup import PROJECT
from core.plugins.hooks import Hooks
from core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from core.artifacts import Artifact
    from core.execution.console import Console
    from core.kinds.lifecycle import Plan, Step, Summary


class Observers:
    """The lifecycle hooks of all plugins.

    Args:
        hooks: The plugins.
        warn: Gets one line per plugin that fails: its name, the hook and the error.
    """

    def __init__(self, hooks: Hooks, warn: Callable[[str], None]) -> None:
        self._hooks = hooks
        self._warn = warn

    def notify(self, event: str, **arguments: object) -> None:
        """Call ``hookline_<event>`` of every plugin, last registered first, with the arguments that each takes."""
        with self._hooks.reporting(self._warn):
            getattr(self._hooks.hook, f"{PROJECT}_{event}")(**arguments)


def _console() -> Console:
    """Return the console of the current run. It is imported here, since the plugin is loaded for ``--help``, too."""
    from core.execution.console import Console

    return Console()


@hookimpl
def hookline_before_run(plan: Plan) -> None:
    """Print the plan, with the requested stages in brackets."""
    console = _console()
    console.note(f"plan: {plan}")
    for choice in plan.choices:
        console.note(f"  {choice}")


@hookimpl
def hookline_before_stage(step: Step) -> None:
    """Log the start of a stage."""
    from core.execution.console import log

    log.info("%s starts", step.stage.name)


@hookimpl
def hookline_after_stage(step: Step, artifact: Artifact, reused: bool, seconds: float) -> None:
    """Print one line with time or "reused" and the result, after the report of a requested stage."""
    console = _console()
    took = "reused" if reused else f"{seconds:.1f} s"
    line = f"{step.stage.name:<10} {took:>8}"
    if not step.requested:
        console.note(f"{line}  {artifact.path.name}")
        return
    for text in (*artifact.report, f"{line}  {artifact.path}"):
        console.result(text)


@hookimpl
def hookline_stage_failed(step: Step, error: BaseException) -> None:
    """Print the stage that failed."""
    ended = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    _console().note(f"{step.stage.name:<10} {ended:>8}")


@hookimpl
def hookline_after_run(summary: Summary) -> None:
    """Print the time and the directory of the results."""
    if summary.status == "finished":
        _console().note(f"finished in {summary.seconds:.1f} s; results in {summary.path.parent}")
