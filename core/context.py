"""What a stage gets besides its config and its inputs: a place to write, parts by name, progress."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from core.arguments import taking
from core.parts import (
    Calibrator,
    Check,
    Graft,
    ModelFamily,
    Part,
    PlacedProcessor,
    Processor,
    Quantizer,
    Runtime,
    TappingRuntime,
    Tracker,
)
from core.registry import KIND_OF
from core.user_paths import user_path

if TYPE_CHECKING:
    from core.artifacts import Artifact, ModelFacts
    from core.checks import CheckFunction
    from core.head import Head
    from core.parts import (
        GraftBackend,
        ModelBackend,
        ProcessorBackend,
        QuantizerBackend,
        RangeObserver,
        RuntimeBackend,
    )
    from core.registry import Registry
    from core.serial import DataclassInstance
    from core.trackers import RunInfo, Trackers

ImplT = TypeVar("ImplT")


class Progress(Protocol):
    """Progress of one long piece of work."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count ``steps`` more as done; ``note`` replaces the text at the end of the line, e.g. the newest loss."""
        ...


class Reporter(Protocol):
    """Where a run reports to the user. Messages are one line without a full stop at the end."""

    def note(self, message: str) -> None:
        """Print one line of information."""
        ...

    def warn(self, message: str) -> None:
        """Print one line that must not be missed; summary.json repeats it."""
        ...

    def figures(self, values: Mapping[str, float]) -> None:
        """Write the newest figures of the running stage into status.json."""
        ...

    def progress(self, title: str, total: int | None, unit: str) -> AbstractContextManager[Progress]:
        """Show a progress line for ``total`` steps (None: not known) while the block runs."""
        ...


@dataclass(frozen=True)
class RunContext:
    """What a stage gets besides its options and inputs.

    The methods ``model``, ``calibrator``, ``quantizer``, ``graft``, ``runtime``, ``processor`` and ``check`` return the
    heavy half of a part with the user's options of it; each call makes a new one. They raise :class:`HooklineError` for
    a name that nobody registered.

    Attributes:
        workdir: Empty directory of this stage. The artifact's file is written here; all other files that lie here when
            the stage returns belong to the artifact, and the store keeps them with it. The other functions of a stage
            (``check``, ``select``, ``fingerprint``, ...) write nothing.
        run_dir: The directory of the run, ``outputs/<day>/<time>``. Read only: results come there by themselves.
        cache_dir: Downloads and digests, shared by all runs of this user; a folder of your own in it may be used.
        seed: Of every random choice; the top-level option ``seed=``, part of every store key.
        device: The top-level option ``device=``: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        backend: The top-level option ``backend=``: ``auto`` or the name of a runtime.
        registry: The descriptors of all parts by kind and name.
        options: Returns the user's options of a part: ``options("runtimes", "mychip")``, an instance of its
            ``Part.options``.
        reporter: Where notes, warnings and progress go; the methods of the same names pass them on.
        asked: The stage was named in ``+stage=``. One that the plan added should print warnings only.
        kept: What remains if the stage fails, see :meth:`keep`.
        loaded: Kind and name of each part whose heavy half was loaded in the run.
    """

    workdir: Path
    run_dir: Path
    cache_dir: Path
    seed: int
    device: str
    registry: Registry
    options: Callable[[str, str], DataclassInstance]
    reporter: Reporter = field(repr=False)
    backend: str = "auto"
    asked: bool = True
    kept: list[Artifact] = field(default_factory=list, repr=False)
    loaded: set[tuple[str, str]] = field(default_factory=set, repr=False)

    def family(self, name: str) -> ModelFamily:
        """Return the light descriptor of a model family."""
        return self.registry.get(ModelFamily, name)

    def head(self, facts: ModelFacts, layout: str) -> Head:
        """Return the head of a model: its outputs, and how boxes are found in them.

        Raises:
            HooklineError: No plugin registers its family, or the family cannot have such a model.
        """
        from core.head import head_of

        return head_of(facts, layout, self.registry)

    def model(self, name: str) -> ModelBackend:
        """Return the heavy half of a model family."""
        return self._load(ModelFamily, name)

    def calibrator(self, name: str) -> RangeObserver:
        """Return a new observer of a calibrator."""
        return self._load(Calibrator, name)

    def quantizer(self, name: str) -> QuantizerBackend:
        """Return the heavy half of a quantizer."""
        return self._load(Quantizer, name)

    def graft(self, name: str) -> GraftBackend:
        """Return the heavy half of a graft."""
        return self._load(Graft, name)

    def runtime(self, name: str) -> RuntimeBackend:
        """Return the heavy half of a runtime."""
        return self._load(Runtime, name)

    def tapping(self, name: str) -> TappingRuntime:
        """Return the heavy half of a runtime that records activations (``Runtime.taps``)."""
        backend = self.runtime(name)
        if not isinstance(backend, TappingRuntime):
            raise TypeError(f"the runtime '{name}' states that it shows inner tensors, and has no method 'tap'")
        return backend

    def processor(self, name: str) -> ProcessorBackend:
        """Return the heavy half of a processor, on the device of the run where it can be on several."""
        backend = self._load(Processor, name)
        return backend.on_device(self.device) if isinstance(backend, PlacedProcessor) else backend

    def check(self, name: str) -> CheckFunction:
        """Return the function of a check, which takes :class:`~core.checks.Asked`."""
        return taking(("asked",), self._load(Check, name), f"the check '{name}'")

    def trackers(self, names: object, run: RunInfo) -> Trackers:
        """Return trackers that record ``run``; close them, or use them in a ``with`` block.

        Args:
            names: One name, a list of names, or None, as ``tracker=`` says.
            run: What they record.

        Raises:
            HooklineError: One of them cannot begin.
        """
        from core.config import part_names
        from core.trackers import start_trackers

        backends = {name: self._load(Tracker, name) for name in part_names(names)}
        return start_trackers(backends, run, self.warn)

    def keep(self, artifact: Artifact) -> None:
        """Declare what is finished so far; it remains, and summary.json reports it, if the stage fails.

        For an incremental stage (``Stage.incremental``) only: what others have written is removed when they fail.
        Each call replaces the artifact of the former one.
        """
        self.kept[:] = [artifact]

    def note(self, message: str) -> None:
        """Print one line of information."""
        self.reporter.note(message)

    def warn(self, message: str) -> None:
        """Print one line that must not be missed; summary.json repeats it under ``warnings``."""
        self.reporter.warn(message)

    def figures(self, values: Mapping[str, float]) -> None:
        """Write the newest figures, e.g. losses of an epoch, into ``status.json``, while the stage runs."""
        self.reporter.figures(values)

    @contextmanager
    def progress(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Progress]:
        """Show the progress of ``total`` steps (None: not known) while the block runs.

        Args:
            title: What is done, e.g. ``calibrate``.
            total: Number of steps; None where it is not known.
            unit: Of the steps, e.g. ``images``.
        """
        with self.reporter.progress(title, total, unit) as progress:
            yield progress

    def _load(self, kind: type[Part[ImplT]], name: str) -> ImplT:
        part = self.registry.get(kind, name)
        self.loaded.add((KIND_OF[kind], name))
        return part.load(self.options(KIND_OF[kind], name))


def cache_home() -> Path:
    """Return ``$HOOKLINE_HOME``, else ``$XDG_CACHE_HOME/hookline``, else ``~/.cache/hookline``.

    A relative ``$XDG_CACHE_HOME`` is ignored, as the XDG specification says.
    """
    if home := os.environ.get("HOOKLINE_HOME"):
        return user_path(home).resolve()
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return user_path(xdg if xdg.startswith("/") else "~/.cache").resolve() / "hookline"
