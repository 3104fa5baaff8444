"""Checks that every runtime makes before it opens the file of an engine."""

from __future__ import annotations

from core.artifacts import Engine, OnnxModel
from core.errors import HooklineError
from core.sidecar import verify_file


def check_engine_file(model: OnnxModel | Engine, runtime: str) -> Engine:
    """Refuse what is no engine of ``runtime``, or no longer the file that was built: a plan can run any code.

    Args:
        model: What the runtime was asked to open.
        runtime: Its name.

    Returns:
        The engine.

    Raises:
        HooklineError: Says which, and what to do.
    """
    if not isinstance(model, Engine):
        raise HooklineError(f"{runtime} opens engines only, not '{model.path.name}'", "build one with +stage=build")
    if model.runtime != runtime:
        raise HooklineError(f"'{model.path.name}' is an engine of '{model.runtime}'", f"set backend={model.runtime}")
    verify_file(model)
    return model
