"""The lifecycle plugin that tells a run on the console: the plan, and one line a stage."""

from __future__ import annotations

import logging
import sys

from core.artifacts import Artifact
from core.hookspecs import hookimpl
from core.plan import Plan, Step
from core.summary import Summary

log = logging.getLogger("hookline")


def _say(text: str) -> None:
    log.info(text)
    print(text, file=sys.stderr, flush=True)


@hookimpl
def hookline_before_run(plan: Plan) -> None:
    """Print the chain before anything runs; the stages that were asked for stand in brackets."""
    _say(f"plan: {plan}")
    for choice in plan.choices:
        _say(f"  {choice}")


@hookimpl
def hookline_before_stage(step: Step) -> None:
    """Name the stage that begins."""
    log.info("%s begins", step.stage.name)


@hookimpl
def hookline_after_stage(step: Step, artifact: Artifact, reused: bool, seconds: float) -> None:
    """Print the report of a stage that was asked for, then one line: its time or "reused", and where the result is."""
    for text in artifact.report if step.asked else ():
        _say(text)
    took = "reused" if reused else f"{seconds:.1f} s"
    _say(f"{step.stage.name:<10} {took:>8}  {artifact.path if step.asked else artifact.path.name}")


@hookimpl
def hookline_stage_failed(step: Step) -> None:
    """Name the stage in which it happened."""
    _say(f"{step.stage.name:<10}   failed")


@hookimpl
def hookline_after_run(summary: Summary) -> None:
    """Where to read on."""
    if summary.status == "finished":
        _say(f"finished in {summary.seconds:.1f} s; results in {summary.path.parent}")
