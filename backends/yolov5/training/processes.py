"""One training in several processes: who this one is, and what they tell each other. torchrun starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from backends.yolov5.errors import TrainingError
from core.errors import counted

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

    @property
    def backend(self) -> str:
        """How they exchange gradients."""
        return _backend(self.device)

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

    def from_leader(self, values: list[float]) -> list[float]:
        """The numbers that the first process holds."""
        if self.world == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return [float(value) for value in shared]


@contextmanager
def processes(device: torch.device) -> Iterator[Processes]:
    """Join the processes that torchrun started; alone where there are none.

    Args:
        device: What to compute on; a GPU without a number is that of the process's place on its machine.

    Raises:
        TrainingError: The GPU is not there, or several processes of a machine would share it.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    if device.type == "cuda":
        device = _own_gpu(device, beside)
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        if world == 1:
            yield Processes(0, 1, device)
            return
        dist.init_process_group(_backend(device), timeout=TIMEOUT)
        try:
            yield Processes(dist.get_rank(), world, device, beside)
            dist.barrier()  # the first process writes while the others are done; none ends before all have
        finally:
            dist.destroy_process_group()


def _backend(device: torch.device) -> str:
    return "nccl" if device.type == "cuda" else "gloo"


def _own_gpu(device: torch.device, beside: int) -> torch.device:
    """The GPU of this process, one of ``beside`` on its machine."""
    if device.index is not None and beside > 1:
        raise TrainingError(
            f"device={device} is one GPU for {beside} processes",
            "with device=auto each takes its own; CUDA_VISIBLE_DEVICES chooses among them",
        )
    needed = beside if device.index is None else device.index + 1
    if needed > (count := torch.cuda.device_count()):
        raise TrainingError(
            f"cuda:{needed - 1} is not there: {counted(beside, 'process')} here and {counted(count, 'GPU')}",
            f"use cuda:0 to cuda:{count - 1}, or at most {count} processes",
        )
    return device if device.index is not None else torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
