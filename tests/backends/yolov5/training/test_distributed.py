"""Which GPU a process takes, among GPUs and processes that are not here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from backends.yolov5.errors import TrainingError
from backends.yolov5.training.distributed import join_processes


@pytest.fixture
def made_current(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """Two GPUs; the devices that were made PyTorch's current one."""
    devices: list[torch.device] = []

    @contextmanager
    def current(device: torch.device) -> Iterator[None]:
        devices.append(device)
        yield

    monkeypatch.setattr("torch.cuda.device", current)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    return devices


def among(monkeypatch: pytest.MonkeyPatch, *, world: int, local_world_size: int, local: int) -> None:
    """Be one of the processes that torchrun starts, without a connection to the others."""
    for name, value in {"WORLD_SIZE": world, "LOCAL_WORLD_SIZE": local_world_size, "LOCAL_RANK": local}.items():
        monkeypatch.setenv(name, str(value))
    for name in ("init_process_group", "barrier", "destroy_process_group"):
        monkeypatch.setattr(f"torch.distributed.{name}", lambda *_, **__: None)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: local)


def refused(device: torch.device, message: str, hint: str) -> None:
    with pytest.raises(TrainingError, match=message) as caught, join_processes(device):
        pass
    assert caught.value.hint == hint


@pytest.mark.parametrize(("device", "taken"), [("cuda", "cuda:0"), ("cuda:1", "cuda:1")])
def test_alone_with_the_gpu_that_was_named(device: str, taken: str, made_current: list[torch.device]) -> None:
    with join_processes(torch.device(device)) as distributed:
        assert (distributed.device, distributed.world_size) == (torch.device(taken), 1)
    assert made_current == [torch.device(taken)]


def test_alone_on_a_cpu(made_current: list[torch.device]) -> None:
    with join_processes(torch.device("cpu")) as distributed:
        assert distributed.device == torch.device("cpu")
    assert made_current == []


def test_each_process_takes_its_own_gpu(made_current: list[torch.device], monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, world=4, local_world_size=2, local=1)
    with join_processes(torch.device("cuda")) as distributed:
        assert (distributed.device, distributed.world_size, distributed.local_world_size) == (
            torch.device("cuda:1"),
            4,
            2,
        )
    assert made_current == [torch.device("cuda:1")]


def test_the_only_process_of_a_machine_takes_the_gpu_that_was_named(
    made_current: list[torch.device], monkeypatch: pytest.MonkeyPatch
) -> None:
    among(monkeypatch, world=2, local_world_size=1, local=0)
    with join_processes(torch.device("cuda:1")) as distributed:
        assert distributed.device == torch.device("cuda:1")
    assert made_current == [torch.device("cuda:1")]


@pytest.mark.usefixtures("made_current")
def test_one_gpu_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, world=2, local_world_size=2, local=1)
    with (
        pytest.raises(TrainingError, match="device=cuda:1 is one GPU for 2 processes"),
        join_processes(torch.device("cuda:1")),
    ):
        pass


@pytest.mark.usefixtures("made_current")
@pytest.mark.parametrize("local", [0, 2])
def test_more_processes_than_gpus(local: int, monkeypatch: pytest.MonkeyPatch) -> None:
    among(monkeypatch, world=3, local_world_size=3, local=local)
    refused(
        torch.device("cuda"),
        "3 processes on this machine need 3 GPUs; it has 2",
        "start at most 2 processes: torchrun --nproc_per_node 2",
    )


@pytest.mark.usefixtures("made_current")
def test_a_gpu_that_is_not_there() -> None:
    refused(torch.device("cuda:5"), "cuda:5 does not exist: this machine has 2 GPUs", "use cuda:0 to cuda:1")
