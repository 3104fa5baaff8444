"""One training in several processes: who this one is, and what they tell each other. torchrun starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

TIMEOUT = timedelta(hours=3)
"""The others wait while the first process validates and writes."""


@dataclass(frozen=True)
class Processes:
    """This process among its like.

    Attributes:
        rank: Its number.
        world: How many there are.
        device: What it computes on.
        beside: How many of them share this machine.
    """

    rank: int
    world: int
    device: torch.device
    beside: int = 1

    @property
    def leader(self) -> bool:
        """Whether this is the first process."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model with gradients averaged over the processes."""
        if self.world == 1:
            return model
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=devices)

    def mean(self, values: Tensor) -> Tensor:
        """The mean of ``values`` over the processes."""
        if self.world > 1:
            dist.all_reduce(values)
            values /= self.world
        return values

    def any(self, flag: bool) -> bool:  # noqa: FBT001
        """Whether any process says yes."""
        if self.world == 1:
            return flag
        said = torch.tensor(int(flag), device=self.device)
        dist.all_reduce(said, op=dist.ReduceOp.MAX)
        return bool(said)

    def from_leader(self, values: list[float]) -> list[float]:
        """The numbers that the first process holds."""
        if self.world == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return [float(value) for value in shared]


@contextmanager
def processes(device: torch.device) -> Iterator[Processes]:
    """Join the processes that torchrun started; alone where there are none."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes(0, 1, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        yield Processes(dist.get_rank(), world, device, int(os.environ.get("LOCAL_WORLD_SIZE", world)))
        dist.barrier()  # the first process writes while the others are done; none ends before all have
    finally:
        dist.destroy_process_group()
