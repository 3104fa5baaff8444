"""Check the engines that runtimes build before they enter the store; a fault names the plugin of the runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.artifacts import Engine
from core.containment.calls import Fault
from core.containment.model_results import check_written
from core.errors import shown
from core.kinds.building import BuildJob


def check_engine(engine: object, job: BuildJob, runtime: str) -> Engine:
    """Return the engine that a runtime built.

    Raises:
        Fault: The value is not an engine, has another path, or describes another model.
    """
    if not isinstance(engine, Engine):
        raise Fault(f"build must return an Engine, not {shown(engine)}")
    model = job.model
    wanted = {
        "path": job.target,
        "runtime": runtime,
        "precision": job.precision,
        "facts": model.facts,
        "layout": model.layout,
        "score_threshold": model.score_threshold,
    }
    if not isinstance(engine.machine, Mapping):
        raise Fault(f"build must return an Engine with a mapping of texts as machine, not {shown(engine.machine)}")
    for name, value in wanted.items():
        found = getattr(engine, name)
        if found != value:
            raise Fault(f"build must return an Engine with {name}={_text(value)}, not {_text(found)}")
    check_written(job.target)
    return engine


def check_machine(engine: Engine, here: Mapping[str, str]) -> None:
    """Refuse an engine that states another machine than its key.

    Args:
        engine: The engine that the runtime returned.
        here: Facts from ``machine`` of the runtime, without those that its engines do not depend on.

    Raises:
        Fault: A fact is missing or differs.
    """
    for name, value in here.items():
        if name not in engine.machine:
            raise Fault(f"machine states {name}={shown(value)}, but Engine.machine has no '{name}'")
        if engine.machine[name] != value:
            raise Fault(
                f"machine states {name}={shown(value)}, but Engine.machine has {name}={shown(engine.machine[name])}"
            )


def _text(value: object) -> str:
    return shown(str(value) if isinstance(value, Path) else value)
