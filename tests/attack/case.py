"""What one case is: files that were made from a seed, and the command that meets them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.attack.base import Base

DIRECT = '"$@"'
"""The shell text that runs the command as it is."""


@dataclass(frozen=True)
class Case:
    """One command with its input.

    Attributes:
        arguments: The command line after ``python -m core.run``.
        environment: Changes to the environment; None removes a variable.
        shell: How a shell starts the command,
        which is ``"$@"``; anything but :data:`DIRECT` needs a process of its own.
        fresh: Run in a process of its own instead of a fork of one that has imported everything.
        patience: Seconds without computing after which the command hangs.
        heard: What the command prints on standard error can be read.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str | None] = field(default_factory=dict)
    shell: str = DIRECT
    fresh: bool = False
    patience: float = 8.0
    heard: bool = True


@dataclass(frozen=True)
class Scene:
    """Where a case is made.

    Attributes:
        here: Empty folder for its files, and the working directory of the command.
        canary: A file that no case may bring into being: hostile content tries to.
        chance: Seeded by kind, seed and number of the case.
        base: Good files, never to be changed.
    """

    here: Path
    canary: Path
    chance: random.Random
    base: Base

    def write(self, name: str, content: bytes | str) -> str:
        """Write a file with its folders, and return ``name``."""
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
        return name


Maker = Callable[[Scene], Case]
Variants = dict[str, Maker]


def load(weights: str, *more: str) -> Case:
    """The case that reads weights."""
    return Case(("+stage=load", f"weights={weights}", *more))


def damaged(
    make: Callable[[Scene], tuple[bytes, str]], change: Callable[[bytes, random.Random], bytes]
) -> Callable[[Scene], tuple[bytes, str]]:
    """Return a maker of files that ``make`` returns and ``change`` damages; a file is its content and its suffix."""

    def made(scene: Scene) -> tuple[bytes, str]:
        content, suffix = make(scene)
        return change(content, scene.chance), suffix

    return made
