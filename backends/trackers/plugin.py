"""Registration of the trackers ``csv``, ``tensorboard`` and ``wandb``."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from core.kinds.part import Availability
from core.kinds.tracker import Tracker
from core.options.fields import presentation
from core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from backends.trackers.events import EventFiles
    from backends.trackers.results import ResultsFile
    from backends.trackers.wandb_run import WandbRun


class WandbMode(str, Enum):
    """``offline``: recorded in the run directory, uploaded with ``wandb sync``. ``online``: uploaded during the run."""

    offline = "offline"
    online = "online"
    disabled = "disabled"


@dataclass
class WandbOptions:
    """Options of the tracker ``wandb``.

    Attributes:
        mode: W&B mode; online needs an account.
        project: W&B project.
        entity: W&B user or team; null: the default of the account.
    """

    mode: WandbMode = presentation(default=WandbMode.offline)
    project: str = presentation(default="hookline")
    entity: str | None = presentation(default=None)


def probe_tensorboard() -> Availability:
    """Return whether TensorBoard is installed, without importing it."""
    return _installed("tensorboard")


def probe_wandb() -> Availability:
    """Return whether wandb is installed, without importing it."""
    return _installed("wandb")


def _installed(package: str) -> Availability:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:  # no origin: a folder of that name, such as wandb creates
        return Availability(
            usable=False, reason=f"the package {package} is not installed", hint=f"pip install {package}"
        )
    return Availability(usable=True, reason=f"the package {package} is installed")


def load_csv() -> ResultsFile:
    """Import the implementation."""
    from backends.trackers.results import ResultsFile

    return ResultsFile()


def load_tensorboard() -> EventFiles:
    """Import the implementation."""
    from backends.trackers.events import EventFiles

    return EventFiles()


def load_wandb(options: WandbOptions) -> WandbRun:
    """Import the implementation."""
    from backends.trackers.wandb_run import WandbRun

    return WandbRun(mode=options.mode.value, project=options.project, entity=options.entity)


@hookimpl
def hookline_trackers() -> Iterable[Tracker]:
    """Register the trackers."""
    yield Tracker(name="csv", summary="one row per epoch in results.csv", load=load_csv)
    yield Tracker(
        name="tensorboard",
        summary="event files for TensorBoard",
        load=load_tensorboard,
        available=probe_tensorboard,
    )
    yield Tracker(
        name="wandb",
        summary="Weights & Biases, offline by default",
        load=load_wandb,
        options=WandbOptions,
        available=probe_wandb,
    )
