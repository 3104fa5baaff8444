"""Which cards an engine is for: ``build.compute_capabilities=[sm86,sm89,sm120]``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.errors import HooklineError, unknown

CURRENT = "CURRENT"
_NO_TARGETS = {"NONE"}


def set_targets(trt: Any, config: Any, names: Sequence[str]) -> None:
    """Tell the builder which compute capabilities the engine is for; no names leave the choice to TensorRT-RTX.

    Args:
        trt: The module ``tensorrt_rtx``.
        config: Its ``IBuilderConfig``.
        names: ``sm86``, ``8.6`` or ``86``; or ``current`` alone, for the card of this machine.

    Raises:
        HooklineError: A name that this release does not know, or ``current`` beside others.
    """
    targets = parse_targets(names, [*trt.ComputeCapability.__members__])
    if not targets:
        return
    config.num_compute_capabilities = len(targets)
    for index, name in enumerate(targets):
        if not config.set_compute_capability(trt.ComputeCapability.__members__[name], index):
            raise HooklineError(f"TensorRT-RTX refuses build.compute_capabilities={list(names)}", "name fewer cards")


def parse_targets(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """The enum's names for what the user wrote, each once.

    Raises:
        HooklineError: A name that is not known, or ``current`` beside others.
    """
    possible = [name for name in known if name not in _NO_TARGETS]
    targets = list(dict.fromkeys(_member(str(name)) for name in names))
    for given, target in zip(names, map(_member, map(str, names)), strict=True):
        if target not in possible:
            raise unknown("compute capability", given, map(str.lower, possible))
    if CURRENT in targets and len(targets) > 1:
        raise HooklineError(
            "build.compute_capabilities holds 'current' beside others", "name the cards, or leave 'current' alone"
        )
    return targets


def _member(name: str) -> str:
    """``8.6``, ``86``, ``sm_86`` and ``SM86`` are the same."""
    short = name.strip().upper().removeprefix("SM").removeprefix("_").replace(".", "")
    return f"SM{short}" if short.isdigit() else short
