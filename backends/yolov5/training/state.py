"""The state of a training run between two epochs, written atomically and read with its checksums verified."""

from __future__ import annotations

import os
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from backends.yolov5.errors import TrainingError
from core.kinds.training import STATE

FORMAT = 2
_DAMAGED = (
    AttributeError,
    EOFError,
    KeyError,
    NotImplementedError,  # a zip of a method or version that Python does not read
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
)

_START_AGAIN = "start again without resume=true"


@dataclass
class TrainingState:
    """The state after an epoch. It has no random state: random numbers follow from seed, epoch and position.

    Attributes:
        epoch: Number of finished epochs.
        batch: Images per batch, of all processes together.
        config: Shape of the network, from ``ModelConfig.to_dict``.
        model: Weights.
        averaged: Moving average (EMA) of the weights.
        updates: Number of updates of the moving average.
        optimizer: State of the optimizer.
        scaler: State of the gradient scaler; empty without float16.
        best: Highest fitness so far, and its epoch.
        class_scores: mAP per class of the last validation, for ``image_weights``.
        seconds: Duration so far, validation included.
    """

    epoch: int
    batch: int
    config: Mapping[str, object]
    model: Mapping[str, Tensor]
    averaged: Mapping[str, Tensor]
    updates: int
    optimizer: Mapping[str, object]
    scaler: Mapping[str, object]
    best: tuple[float, int] = (-1.0, -1)
    class_scores: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0


def save_state(state: TrainingState, folder: Path) -> None:
    """Write ``state`` into ``folder`` atomically: after a crash the previous state remains."""
    content = {"format": FORMAT, **{name: getattr(state, name) for name in state.__dataclass_fields__}}
    temporary = folder / f"{STATE}.{os.getpid()}"
    try:
        with temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, folder / STATE)
    finally:
        temporary.unlink(missing_ok=True)


def load_state(folder: Path, config: Mapping[str, object]) -> TrainingState:
    """Read the state that :func:`save_state` wrote.

    Args:
        folder: Folder of the training.
        config: Shape of the network to train, from ``ModelConfig.to_dict``.

    Raises:
        TrainingError: The file is damaged, has another format, or belongs to another network.
    """
    path = folder / STATE
    try:
        _check_sums(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        written = content.pop("format")
        state = TrainingState(**content) if written == FORMAT else None
    except _DAMAGED as error:
        raise TrainingError(f"'{path}' is damaged and cannot be resumed from", _START_AGAIN) from error
    if state is None:
        raise TrainingError(f"'{path}' has format {written}, but this version reads {FORMAT}", _START_AGAIN)
    if different := [name for name in config if state.config.get(name) != config[name] and name != "anchors"]:
        raise TrainingError(
            f"'{path}' belongs to another architecture ({different[0]} is {state.config.get(different[0])}, "
            f"this network has {config[different[0]]})",
            "resume with the model that the training was started with",
        )
    return state


def _check_sums(path: Path) -> None:
    """Raise zipfile.BadZipFile if a checksum does not match; torch.load does not verify them."""
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"the checksum of '{damaged}' differs")
