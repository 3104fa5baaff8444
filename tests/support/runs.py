"""Runs of the program in this process: config, plan, store and lifecycle hooks, without a command line."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module

from core.artifacts import Artifact
from core.config.compose import Request, register, typed
from core.execution.console import Console
from core.execution.observers import Observers
from core.execution.recorder import SummaryRecorder
from core.execution.runner import run_plan
from core.kinds.context import RunContext
from core.kinds.lifecycle import Summary
from core.planning.planner import make_plan
from core.plugins.discovery import Plugins
from core.plugins.loading import load_plugins
from core.storage.store import Store


@lru_cache
def plugins() -> Plugins:
    """Return all shipped plugins; register them with Hydra once."""
    loaded = load_plugins()
    register(loaded)
    return loaded


@dataclass(frozen=True)
class Done:
    """The result of one run.

    Attributes:
        summary: As in summary.json.
        artifacts: One per stage.
        folder: The run's directory.
    """

    summary: dict[str, Any]
    artifacts: dict[str, Artifact]
    folder: Path

    @property
    def status(self) -> dict[str, str]:
        """Return ``ran`` or ``reused`` by stage."""
        return {item["name"]: item["status"] for item in self.summary["stages"]}


@dataclass
class Program:
    """The program with its store and cache below ``folder``."""

    folder: Path
    numbers: count[int] = field(default_factory=count)

    def prepare(self, *overrides: str) -> tuple[Request, RunContext, Console]:
        """Return the request of the command line ``overrides``, and a context in a new directory."""
        registry = plugins().registry
        with initialize_config_module("conf", version_base="1.3"):
            request = typed(compose("config", list(overrides)), registry)
        run_dir = self.folder / f"run{next(self.numbers)}"
        run_dir.mkdir(parents=True)
        console = Console(StringIO())
        context = RunContext(
            workdir=run_dir,
            run_dir=run_dir,
            cache_dir=self.folder / "cache",
            seed=request.top_level.seed,
            device=request.top_level.device,
            registry=registry,
            options=lambda kind, name: request.options[kind, name],
            reporter=console,
        )
        return request, context, console

    def run(self, *overrides: str, reuse: bool = True) -> Done:
        """Run the command line ``overrides``."""
        request, context, console = self.prepare(*overrides)
        run_dir = context.run_dir
        plan = make_plan(request.stages, request.configs, context, request.top_level)
        recorder = SummaryRecorder(Summary(run_dir / "summary.json", "", list(overrides)))
        manager = plugins().manager
        manager.register(recorder)
        try:
            made = run_plan(plan, context, Store(self.folder / "store"), Observers(manager, console.warn), reuse=reuse)
        finally:
            manager.unregister(recorder)
        recorder.summary.warnings = list(console.warnings)
        names = [step.stage.name for step in plan.steps]
        summary: dict[str, Any] = json.loads(json.dumps(recorder.summary.as_json()))
        return Done(summary, dict(zip(names, made, strict=True)), run_dir)
