"""How a dataclass of options refers to the words at the top level of the config.

A stage declares one dataclass. ``imgsz: int = shared("imgsz")`` follows the top-level ``imgsz=``
until the stage's own option is set; ``calibrator: str = shared("calibrator", kind="calibrators")``
also says that the value names a registered part, so that the plan can check it, resolve ``auto``,
and put the part's version and options into the store's key.
"""

from __future__ import annotations

from dataclasses import field, fields, is_dataclass
from typing import Any


def shared(word: str, *, kind: str = "", usable: bool = True, presentation: bool = False) -> Any:
    """A field that follows the top-level option ``word``.

    Args:
        word: The top-level option.
        kind: As in :func:`chosen`.
        usable: False where the part need not be usable on this machine, only known: its rules are wanted.
        presentation: As in :func:`presentation`.
    """
    return field(default=f"${{{word}}}", metadata={"kind": kind, "usable": usable, "presentation": presentation})


def chosen(default: str, *, kind: str) -> Any:
    """A field that names a registered part of ``kind`` (``runtimes``, ``grafts``, ...)."""
    return field(default=default, metadata={"kind": kind})


def presentation(default: Any) -> Any:
    """A field that changes how work is done or shown but not its result; not in the store's key."""
    return field(default=default, metadata={"presentation": True})


def needs_usable(config: Any, name: str) -> bool:
    """Whether the part that the field ``name`` names must be usable on this machine."""
    return bool(next(item for item in fields(config) if item.name == name).metadata.get("usable", True))


def parts_of(config: Any) -> dict[str, tuple[str, Any]]:
    """Field name -> (kind, value) of every field that names a part, or a list of parts."""
    if not is_dataclass(config):
        return {}
    return {
        item.name: (item.metadata["kind"], getattr(config, item.name))
        for item in fields(config)
        if item.metadata.get("kind")
    }


def named_runtime(config: Any) -> str:
    """The runtime that a stage's options name; empty where they name none."""
    return next((str(value) for kind, value in parts_of(config).values() if kind == "runtimes"), "")


def shaping_parts(config: Any) -> tuple[tuple[str, str], ...]:
    """(kind, name) of every part that has a say in the result."""
    shown = {item.name for item in fields(config) if item.metadata.get("presentation")}
    named = ((kind, value) for name, (kind, value) in parts_of(config).items() if name not in shown)
    return tuple((kind, part) for kind, value in named for part in part_names(value))


def part_names(value: Any) -> tuple[str, ...]:
    """The names that a field gives: one, a list of them, or null for none; each once."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(dict.fromkeys(map(str, value)))
