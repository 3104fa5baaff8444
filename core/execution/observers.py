"""The lifecycle hooks of a run, and the plugin that prints its progress."""

from __future__ import annotations

from collections.abc import Callable

from core.artifacts import Artifact
from core.execution.console import Console, log
from core.kinds.lifecycle import Plan, Step, Summary
from core.kinds.lookup import PROJECT
from core.plugins.hooks import Hooks
from core.plugins.hookspecs import hookimpl


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


@hookimpl
def hookline_before_run(plan: Plan) -> None:
    """Print the chain before anything runs; the stages that were asked for stand in brackets."""
    console = Console()
    console.note(f"plan: {plan}")
    for choice in plan.choices:
        console.note(f"  {choice}")


@hookimpl
def hookline_before_stage(step: Step) -> None:
    """Name the stage that begins."""
    log.info("%s begins", step.stage.name)


@hookimpl
def hookline_after_stage(step: Step, artifact: Artifact, reused: bool, seconds: float) -> None:
    """Print one line: the stage's time or "reused", and its result; of a stage that was asked for also the report."""
    console = Console()
    took = "reused" if reused else f"{seconds:.1f} s"
    line = f"{step.stage.name:<10} {took:>8}"
    if not step.requested:
        console.note(f"{line}  {artifact.path.name}")
        return
    for text in (*artifact.report, f"{line}  {artifact.path}"):
        console.result(text)


@hookimpl
def hookline_stage_failed(step: Step, error: BaseException) -> None:
    """Name the stage in which it happened."""
    ended = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    Console().note(f"{step.stage.name:<10} {ended:>8}")


@hookimpl
def hookline_after_run(summary: Summary) -> None:
    """Print where the results lie."""
    if summary.status == "finished":
        Console().note(f"finished in {summary.seconds:.1f} s; results in {summary.path.parent}")
