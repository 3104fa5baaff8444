"""Experiment trackers: descriptor, protocol, and the trackers of one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from core.errors import HooklineError
from core.kinds.part import Availability, Part


@dataclass(frozen=True)
class RunInfo:
    """What a tracker records.

    Attributes:
        name: Name of the run, for lists of runs.
        dir: Folder of the training, where a tracker may write; the same one when an interrupted training is resumed.
        config: Options of the training by name, JSON values.
    """

    name: str
    dir: Path
    config: Mapping[str, object]


class Trackers:
    """All trackers of a run as one. Use it in a ``with`` block, or close it.

    A tracker that raises is reported once and not called again.

    Args:
        backends: By name, started.
        warn: Says one line to the user.
    """

    def __init__(self, backends: Mapping[str, TrackerBackend], warn: Callable[[str], None]) -> None:
        self._backends = dict(backends)
        self._warn = warn

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Record the figures of an epoch, counted from 1."""
        self._tell(lambda backend: backend.scalars(values, step))

    def picture(self, name: str, path: Path, step: int) -> None:
        """Record an image file."""
        self._tell(lambda backend: backend.picture(name, path, step))

    def places(self) -> list[str]:
        """One line for each tracker that says where it records."""

        placed = {name: backend for name, backend in self._backends.items() if isinstance(backend, PlacedTracker)}
        return [f"tracker {name}: {backend.place}" for name, backend in placed.items() if backend.place]

    def close(self) -> None:
        """Close all; more than once does no harm."""
        self._tell(lambda backend: backend.close())
        self._backends.clear()

    def _tell(self, what: Callable[[TrackerBackend], None]) -> None:
        for name, backend in list(self._backends.items()):
            try:
                what(backend)
            except Exception as error:
                del self._backends[name]
                self._warn(f"tracker '{name}' failed and records no more, the training goes on: {_reason(error)}")

    def __enter__(self) -> Trackers:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def start_trackers(backends: Mapping[str, TrackerBackend], run: RunInfo, warn: Callable[[str], None]) -> Trackers:
    """Start all; when one cannot start, those before it are closed again.

    Raises:
        HooklineError: One cannot start. Nothing is lost yet, so this is not the time to go on without it.
    """
    started: dict[str, TrackerBackend] = {}
    for name, backend in backends.items():
        try:
            backend.start(run)
        except Exception as error:
            Trackers(started, warn).close()
            if isinstance(error, HooklineError):
                raise
            raise HooklineError(
                f"tracker '{name}' cannot start ({_reason(error)})",
                "leave it out of tracker=[...], or see to its cause",
            ) from error
        started[name] = backend
    return Trackers(started, warn)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


# --- trackers ---------------------------------------------------------------------------------


def _always() -> Availability:
    return Availability(usable=True, reason="it needs nothing else")


class TrackerBackend(Protocol):
    """The heavy half of a tracker: records one training, called from one thread.

    What it raises in ``start`` ends the run before the training; what it raises later is a warning, and the training
    continues without it.
    """

    def start(self, run: RunInfo) -> None:
        """Begin to record, or continue what an interrupted training of this folder recorded."""
        ...

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Record figures of an epoch.

        Args:
            values: By name, e.g. ``train/box_loss``, ``metrics/map50``, ``lr/weights``.
            step: The epoch, from 1. Figures of later epochs that an interrupted training recorded are no longer true.
        """
        ...

    def picture(self, name: str, path: Path, step: int) -> None:
        """Record an image file. Not before the figures of ``step``, where there are any."""
        ...

    def close(self) -> None:
        """Finish; everything recorded is saved when this returns."""
        ...


@runtime_checkable
class PlacedTracker(TrackerBackend, Protocol):
    """A tracker that says where it records; printed when a training starts and when it ends."""

    @property
    def place(self) -> str:
        """After ``start``, in a form that a user can open: a file, an address, a command. Empty for nowhere."""
        ...


@dataclass(frozen=True, kw_only=True)
class Tracker(Part[TrackerBackend]):
    """A recorder of trainings: losses, scores and images per epoch.

    Attributes:
        available: Whether it can be used here. Cheap: looks for packages, imports nothing heavy.
    """

    kind: ClassVar[str] = "trackers"
    available: Callable[[], Availability] = _always
