"""The state of a training between two epochs, written so that it is there whole or not at all."""

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

FORMAT = 2
STATE = ".state.pt"
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


@dataclass
class TrainingState:
    """What an epoch leaves to the next one. All randomness follows from seed, epoch and position: none is kept.

    Attributes:
        epoch: Number of finished epochs.
        batch: Pictures a batch, of all processes together.
        config: The network's shape, as ``ModelConfig.to_dict`` gives it.
        model, averaged: Weights, and their moving average.
        updates: Of the moving average.
        optimizer, scaler: Their own states.
        best: Highest fitness so far, and its epoch.
        class_scores: mAP a class of the last validation, for image weights.
        seconds: Spent so far, validation included.
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
    """Write ``state`` into ``folder``; a crash leaves the former one."""
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
    """Read what :func:`save_state` wrote.

    Args:
        folder: Of the training.
        config: The network that is to go on.

    Raises:
        TrainingError: The file is damaged, or is of another network.
    """
    path = folder / STATE
    try:
        _check_sums(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        written = content.pop("format")
        state = TrainingState(**content) if written == FORMAT else None
    except _DAMAGED as error:
        raise TrainingError(f"'{path}' is damaged and cannot be resumed from", "train anew, without resume") from error
    if state is None:
        raise TrainingError(f"'{path}' has format {written}, this version reads {FORMAT}", "train anew, without resume")
    if different := [name for name in config if state.config.get(name) != config[name] and name != "anchors"]:
        raise TrainingError(
            f"'{path}' is of another architecture ({different[0]} is {state.config.get(different[0])}, "
            f"this network has {config[different[0]]})",
            "resume with the model it was begun with",
        )
    return state


def _check_sums(path: Path) -> None:
    """Raise zipfile.BadZipFile if the content differs from its checksums, which torch.load does not verify."""
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"the checksum of '{damaged}' differs")
