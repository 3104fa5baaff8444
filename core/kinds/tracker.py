"""Experiment trackers: the descriptor, the protocol, and the trackers of one training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from core.errors import HooklineError
from core.kinds.part import Availability, Part


@dataclass(frozen=True)
class RunInfo:
    """The training that a tracker records.

    Attributes:
        name: Name of the run, for lists of runs.
        dir: Folder of the training; a tracker may write there. A resumed training run has the same folder.
        config: Options of the training by name, as JSON values.
    """

    name: str
    dir: Path
    config: Mapping[str, object]


class Trackers:
    """All trackers of a training run as one. Use it in a ``with`` block, or call :meth:`close`.

    If a tracker raises, a warning is printed and the tracker is not called again.

    Args:
        backends: Started trackers by name.
        warn: Prints one warning.
    """

    def __init__(self, backends: Mapping[str, TrackerBackend], warn: Callable[[str], None]) -> None:
        self._backends = dict(backends)
        self._warn = warn

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Record the metrics of an epoch.

        Args:
            values: Metrics by name.
            step: The epoch, from 1.
        """
        self._call(lambda backend: backend.scalars(values, step))

    def image(self, name: str, path: Path, step: int) -> None:
        """Record an image file.

        Args:
            name: Name of the image, e.g. ``train_batch``.
            path: The file.
            step: The epoch, from 1; 0 before the first one.
        """
        self._call(lambda backend: backend.image(name, path, step))

    def places(self) -> list[str]:
        """Return one line per tracker that reports where it records."""
        placed = {name: backend for name, backend in self._backends.items() if isinstance(backend, PlacedTracker)}
        return [f"tracker {name}: {backend.place}" for name, backend in placed.items() if backend.place]

    def close(self) -> None:
        """Close all trackers. Repeated calls have no effect."""
        self._call(lambda backend: backend.close())
        self._backends.clear()

    def _call(self, method: Callable[[TrackerBackend], None]) -> None:
        for name, backend in list(self._backends.items()):
            try:
                method(backend)
            except Exception as error:
                del self._backends[name]
                self._warn(f"tracker '{name}' failed and is disabled, the training continues: {_reason(error)}")

    def __enter__(self) -> Trackers:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def start_trackers(backends: Mapping[str, TrackerBackend], run: RunInfo, warn: Callable[[str], None]) -> Trackers:
    """Start all trackers; if one cannot start, close those that were started.

    Args:
        backends: Trackers by name.
        run: The training to record.
        warn: Prints one warning.

    Raises:
        HooklineError: A tracker cannot start. Nothing has been trained yet, so the run ends.
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
                "remove it from tracker=[...], or fix the cause",
            ) from error
        started[name] = backend
    return Trackers(started, warn)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _always() -> Availability:
    return Availability(usable=True, reason="it needs no other package")


class TrackerBackend(Protocol):
    """The implementation of a tracker: it records one training. Called from one thread.

    An exception in ``start`` ends the run before the training. A later exception is a warning, and the training
    continues without the tracker.
    """

    def start(self, run: RunInfo) -> None:
        """Start recording, or continue the record of an interrupted training run in the same folder.

        Args:
            run: The training to record.
        """
        ...

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Record the metrics of an epoch.

        Args:
            values: Metrics by name, e.g. ``train/box_loss``, ``metrics/map50``, ``lr/weights``.
            step: The epoch, from 1. Discard metrics of later epochs, which an interrupted run may have recorded.
        """
        ...

    def image(self, name: str, path: Path, step: int) -> None:
        """Record an image file. Called after :meth:`scalars` of the same epoch, if the epoch has metrics.

        Args:
            name: Name of the image, e.g. ``train_batch``.
            path: The file.
            step: The epoch, from 1; 0 before the first one.
        """
        ...

    def close(self) -> None:
        """Finish recording. When this returns, everything is saved."""
        ...


@runtime_checkable
class PlacedTracker(TrackerBackend, Protocol):
    """A tracker that reports where it records; printed when a training run starts and ends. Optional."""

    @property
    def place(self) -> str:
        """A file, a URL or a command that opens the record, known after ``start``; empty if there is none."""
        ...


@dataclass(frozen=True, kw_only=True)
class Tracker(Part[TrackerBackend]):
    """An experiment tracker: it records losses, metrics and images per epoch.

    Attributes:
        available: Return an ``Availability``. Must be cheap: look for packages, import nothing heavy.
    """

    kind: ClassVar[str] = "trackers"
    available: Callable[[], Availability] = _always
