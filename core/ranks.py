"""Which process of a distributed run this is; torchrun says so through the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Ranks:
    """A process among those that train together.

    Attributes:
        rank: Its number, 0 for the leader, which alone speaks and writes results.
        world: Number of processes.
        local: Its number on this machine.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def leader(self) -> bool:
        """Whether this process is the first one."""
        return self.rank == 0


def ranks_of(environment: dict[str, str]) -> Ranks:
    """What torchrun's RANK, WORLD_SIZE and LOCAL_RANK say; one process where they are not set."""
    try:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        rank, world, local = (int(environment[name]) for name in names)
    except (KeyError, ValueError):
        return Ranks()
    return Ranks(rank, world, local)


RANKS = ranks_of(dict(os.environ))
