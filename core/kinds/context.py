"""What a stage gets besides its config and its inputs: a place to write, parts by name, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from core.kinds.arguments import taking
from core.kinds.calibrator import Calibrator
from core.kinds.check import Check
from core.kinds.graft import Graft
from core.kinds.model import ModelFamily
from core.kinds.part import Part
from core.kinds.processor import PlacedProcessor, Processor
from core.kinds.quantizer import Quantizer
from core.kinds.runtime import RecordingRuntime, Runtime
from core.kinds.tracker import Tracker
from core.reporting import Progress, Reporter

if TYPE_CHECKING:
    from core.artifacts import Artifact
    from core.kinds.calibrator import RangeObserver
    from core.kinds.check import CheckFunction
    from core.kinds.graft import GraftBackend
    from core.kinds.head import Head
    from core.kinds.lookup import Parts
    from core.kinds.model import ModelBackend
    from core.kinds.processor import ProcessorBackend
    from core.kinds.quantizer import QuantizerBackend
    from core.kinds.runtime import RuntimeBackend
    from core.kinds.tracker import RunInfo, Trackers
    from core.model_facts import ModelFacts
    from core.storage.serial import DataclassInstance

ImplT = TypeVar("ImplT")


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
    registry: Parts
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
        from core.kinds.model import head_of

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

    def recording_runtime(self, name: str) -> RecordingRuntime:
        """Return the heavy half of a runtime that records activations (``Runtime.records_activations``)."""
        backend = self.runtime(name)
        if not isinstance(backend, RecordingRuntime):
            raise TypeError(f"the runtime '{name}' states that it shows inner tensors, and has no method 'recorder'")
        return backend

    def processor(self, name: str) -> ProcessorBackend:
        """Return the heavy half of a processor, on the device of the run where it can be on several."""
        backend = self._load(Processor, name)
        return backend.on_device(self.device) if isinstance(backend, PlacedProcessor) else backend

    def check(self, name: str) -> CheckFunction:
        """Return the function of a check, which takes :class:`~core.kinds.check.Target`."""
        return taking(("asked",), self._load(Check, name), f"the check '{name}'")

    def trackers(self, names: object, run: RunInfo) -> Trackers:
        """Return trackers that record ``run``; close them, or use them in a ``with`` block.

        Args:
            names: One name, a list of names, or None, as ``tracker=`` says.
            run: What they record.

        Raises:
            HooklineError: One of them cannot begin.
        """
        from core.kinds.tracker import start_trackers
        from core.options.fields import part_names

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
        self.loaded.add((kind.kind, name))
        return part.load(self.options(kind.kind, name))
