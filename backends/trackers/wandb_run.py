"""The tracker ``wandb``: a run of Weights & Biases. Imports wandb when it starts."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.kinds.tracker import RunInfo
from core.storage.serial import encode

if TYPE_CHECKING:
    import wandb

ID_FILE = "wandb-run.txt"
EPOCH = "epoch"


class WandbRun:
    """Records a W&B run in the folder ``wandb`` of the training. A resumed training run continues its W&B run.

    Args:
        mode: ``offline``, ``online`` or ``disabled``.
        project: Project of the run.
        entity: User or team; None: the default of the account.
    """

    def __init__(self, *, mode: str, project: str, entity: str | None) -> None:
        self._mode = mode
        self._project, self._entity = project, entity
        self._run: wandb.Run | None = None

    @property
    def place(self) -> str:
        """The URL of an online run, or the command that uploads an offline run."""
        if self._run is None or self._mode == "disabled":
            return ""
        return str(self._run.url) if self._mode == "online" else f"wandb sync '{Path(self._run.dir).parent}'"

    def start(self, run: RunInfo) -> None:
        """Open the run. Only metrics, options and images are recorded: no console output, code or git state."""
        if self._mode != "online":
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # send nothing unless the mode is online
        import wandb

        settings = wandb.Settings(
            silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True, x_disable_meta=True
        )
        self._run = opened = wandb.init(
            project=self._project,
            entity=self._entity,
            name=run.name,
            dir=str(run.dir),
            config=encode(dict(run.config)),
            mode=self._mode,
            id=_run_id(run.dir / ID_FILE),
            resume="allow" if self._mode == "online" else None,
            settings=settings,
        )
        # The x axis is the epoch: the step of wandb counts calls and can only grow.
        opened.define_metric(EPOCH)
        opened.define_metric("*", step_metric=EPOCH)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Record the metrics of an epoch."""
        self._started.log({**values, EPOCH: step})

    def image(self, name: str, path: Path, step: int) -> None:
        """Record an image file."""
        import wandb

        self._started.log({name: wandb.Image(str(path)), EPOCH: step})

    @property
    def _started(self) -> wandb.Run:
        if self._run is None:
            raise RuntimeError("the run is not open")
        return self._run

    def close(self) -> None:
        """Finish the run, and wait until everything is written or uploaded."""
        run, self._run = self._run, None
        if run is not None:
            run.finish()


def _run_id(file: Path) -> str:
    """Return the id of the W&B run of this training; a new one is stored in ``file``."""
    if not file.is_file():
        file.write_text(secrets.token_hex(4), encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()
