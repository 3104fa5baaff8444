"""The tracker ``tensorboard``: event files. Imports PyTorch, TensorBoard and OpenCV."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from core.kinds.tracker import RunInfo
from core.media.picture import read_picture

FOLDER = "tensorboard"


class EventFiles:
    """Writes event files into the folder ``tensorboard`` of the training.

    A resumed training run opens a new event file with its first epoch as ``purge_step``: TensorBoard then hides earlier
    records of this and later epochs.
    """

    def __init__(self) -> None:
        self._run: RunInfo | None = None
        self._writer: SummaryWriter | None = None
        self._purged = False

    @property
    def place(self) -> str:
        """The command that shows the event files."""
        return shlex.join(["tensorboard", "--logdir", str(self._run.dir / FOLDER)]) if self._run else ""

    def start(self, run: RunInfo) -> None:
        """Create the folder, so that a folder that is not writable is reported at once."""
        (run.dir / FOLDER).mkdir(parents=True, exist_ok=True)
        self._run = run

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Record the metrics of an epoch."""
        if not self._purged:
            self.close()
            self._writer = self._open(step)
            self._purged = True
        writer = self._open()
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    def image(self, name: str, path: Path, step: int) -> None:
        """Record an image file."""
        rgb = np.ascontiguousarray(read_picture(path)[:, :, ::-1])
        self._open().add_image(name, rgb, step, dataformats="HWC")

    def close(self) -> None:
        """Flush and close the event file."""
        writer, self._writer = self._writer, None
        if writer:
            writer.close()

    def _open(self, first: int | None = None) -> SummaryWriter:
        """Return the writer; a new one hides records from the epoch ``first`` on."""
        if self._run is None:
            raise ValueError("the tracker was not started")
        if self._writer is None:
            self._writer = SummaryWriter(str(self._run.dir / FOLDER), purge_step=first)
            self._writer.add_text("options", _table(self._run.config), 0)
        return self._writer


def _table(config: Mapping[str, object]) -> str:
    rows = [f"| {name} | {str(value).replace('|', '/')} |" for name, value in config.items()]
    return "\n".join(["| option | value |", "| --- | --- |", *rows])
