"""A RunContext for tests of stages: explicit parts, and a reporter that records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.kinds.context import RunContext
from core.kinds.lookup import Origin
from core.plugins.registry import Registry
from hookline.testing import Recorder as Memory
from stages.load.config import LoadConfig


def load_config(weights: str | None, **changes: Any) -> LoadConfig:
    """Return options of the stage ``load`` with size and precision of the model."""
    own = {"weights": weights, "imgsz": None, "precision": None, "backend": "auto"}
    return LoadConfig(**{**own, **changes})


def make_context(folder: Path, **parts: Any) -> tuple[RunContext, Memory]:
    """Return a context with the work directory ``folder``; ``runtimes=[part, ...]`` and so on register parts."""
    registry, memory = Registry(), Memory()
    for kind, items in parts.items():
        for item in items:
            registry.add(kind, item, Origin("tests", "tests", "0"))
    workdir = folder / "work"
    workdir.mkdir(parents=True, exist_ok=True)
    context = RunContext(
        workdir=workdir,
        run_dir=folder / "run",
        cache_dir=folder / "cache",
        seed=0,
        device="cpu",
        registry=registry,
        options=lambda kind, name: registry.part(kind, name).options(),
        reporter=memory,
    )
    return context, memory
