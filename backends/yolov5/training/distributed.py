"""Distributed training with the processes that torchrun started."""

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
"""Maximum time that other ranks wait while rank 0 validates and writes."""


@dataclass(frozen=True)
class Distributed:
    """This process in distributed training.

    Attributes:
        rank: Rank of the process.
        world_size: Number of processes.
        device: Device of the process.
        local_world_size: Number of processes on this machine.
    """

    rank: int
    world_size: int
    device: torch.device
    local_world_size: int = 1

    @property
    def leader(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    @property
    def backend(self) -> str:
        """Backend of ``torch.distributed`` that exchanges gradients."""
        return _backend(self.device)

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model with gradients averaged over all ranks."""
        if self.world_size == 1:
            return model
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=devices)

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of ``values`` over all ranks."""
        if self.world_size > 1:
            dist.all_reduce(values)
            values /= self.world_size
        return values

    def from_leader(self, values: list[float]) -> list[float]:
        """Return the values of rank 0."""
        if self.world_size == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return [float(value) for value in shared]


@contextmanager
def join_processes(device: torch.device) -> Iterator[Distributed]:
    """Join the processes that torchrun started; without torchrun this is the only process.

    Args:
        device: Device to compute on. A GPU without an index becomes the GPU of the local rank.

    Raises:
        TrainingError: The GPU does not exist, or several processes of a machine would share it.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    local_world_size = int(os.environ.get("LOCAL_WORLD_SIZE", world_size))
    if device.type == "cuda":
        device = _own_gpu(device, local_world_size)
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        if world_size == 1:
            yield Distributed(0, 1, device)
            return
        dist.init_process_group(_backend(device), timeout=TIMEOUT)
        try:
            yield Distributed(dist.get_rank(), world_size, device, local_world_size)
            dist.barrier()  # rank 0 still writes when the others have finished; no process ends before all have
        finally:
            dist.destroy_process_group()


def _backend(device: torch.device) -> str:
    return "nccl" if device.type == "cuda" else "gloo"


def _own_gpu(device: torch.device, local_world_size: int) -> torch.device:
    """Return the GPU of this process."""
    if device.index is not None and local_world_size > 1:
        raise TrainingError(
            f"device={device} is one GPU for {local_world_size} processes",
            "set device=auto, which gives each process its own GPU; CUDA_VISIBLE_DEVICES selects among them",
        )
    count = torch.cuda.device_count()
    if device.index is None:
        if local_world_size > count:
            raise TrainingError(
                f"{local_world_size} processes on this machine need {local_world_size} GPUs; it has {count}",
                f"start at most {counted(count, 'process')}: torchrun --nproc_per_node {count}",
            )
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if device.index >= count:
        raise TrainingError(
            f"{device} does not exist: this machine has {counted(count, 'GPU')}", f"use cuda:0 to cuda:{count - 1}"
        )
    return device
