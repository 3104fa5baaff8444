"""The run context of a stage: folders, options of the run, parts by name, and reports to the user."""

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
from core.kinds.model import ModelFamily, head_of
from core.kinds.part import Part
from core.kinds.processor import PlacedProcessor, Processor
from core.kinds.quantizer import Quantizer
from core.kinds.runtime import RecordingRuntime, Runtime
from core.kinds.tracker import Tracker, start_trackers
from core.options.fields import part_names
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
    """What a stage gets in addition to its options and inputs.

    The methods ``model``, ``calibrator``, ``quantizer``, ``graft``, ``runtime``, ``processor`` and ``check`` load the
    implementation of a part with the options of the user; each call returns a new one. They raise
    :class:`HooklineError` for a name that is not registered.

    Attributes:
        workdir: Empty directory of this stage. Write the file of the artifact here. All other files that it contains
            when the stage returns belong to the artifact, and the store keeps them with it. The other functions of a
            stage (``check``, ``select``, ``fingerprint``, ...) must not write files.
        run_dir: Directory of the run, ``outputs/<day>/<time>``. Do not write here: results are copied automatically.
        cache_dir: Cache folder for downloads and digests, shared by all runs of this user. Create your own folder in
            it.
        seed: Option ``seed`` for all random numbers; part of every store key.
        device: Option ``device``: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        backend: Option ``backend``: ``auto`` or the name of a runtime.
        registry: Descriptors of all stages and parts by kind and name.
        options: ``options("runtimes", "mychip")`` returns the options that the user gave for a part, an instance of its
            ``Part.options``.
        reporter: Prints notes, warnings and progress; the methods of the same names call it.
        requested: The stage was named in ``+stage=``. A stage that the plan added should print warnings only.
        kept: The artifact that remains if the stage fails; set by :meth:`keep`.
        loaded: Kind and name of each part that was loaded in this run.
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
    requested: bool = True
    kept: list[Artifact] = field(default_factory=list, repr=False)
    loaded: set[tuple[str, str]] = field(default_factory=set, repr=False)

    def family(self, name: str) -> ModelFamily:
        """Return the descriptor of a model family.

        Args:
            name: Name of the family.
        """
        return self.registry.get(ModelFamily, name)

    def head(self, facts: ModelFacts, layout: str) -> Head:
        """Return the head of a model: its outputs, and how boxes are decoded from them.

        Args:
            facts: Facts of the model.
            layout: Layout of its outputs.

        Raises:
            HooklineError: The family is not registered, or does not support the facts or the layout.
        """
        return head_of(facts, layout, self.registry)

    def model(self, name: str) -> ModelBackend:
        """Return the implementation of a model family."""
        return self._load(ModelFamily, name)

    def calibrator(self, name: str) -> RangeObserver:
        """Return a new observer of a calibrator."""
        return self._load(Calibrator, name)

    def quantizer(self, name: str) -> QuantizerBackend:
        """Return the implementation of a quantizer."""
        return self._load(Quantizer, name)

    def graft(self, name: str) -> GraftBackend:
        """Return the implementation of a graft."""
        return self._load(Graft, name)

    def runtime(self, name: str) -> RuntimeBackend:
        """Return the implementation of a runtime."""
        return self._load(Runtime, name)

    def recording_runtime(self, name: str) -> RecordingRuntime:
        """Return the implementation of a runtime that records activations (``Runtime.records_activations``)."""
        backend = self.runtime(name)
        if not isinstance(backend, RecordingRuntime):
            raise TypeError(f"the runtime '{name}' has records_activations=True and no method 'record_activations'")
        return backend

    def processor(self, name: str) -> ProcessorBackend:
        """Return the implementation of a processor, on the device of the run if it supports several devices."""
        backend = self._load(Processor, name)
        return backend.on_device(self.device) if isinstance(backend, PlacedProcessor) else backend

    def check(self, name: str) -> CheckFunction:
        """Return the function of a check, which takes :class:`~core.kinds.check.Target`."""
        return taking(("target",), self._load(Check, name), f"the check '{name}'")

    def trackers(self, names: object, run: RunInfo) -> Trackers:
        """Start trackers for a training run. Use them in a ``with`` block, or close them.

        Args:
            names: One name, a list of names, or None; the option ``tracker``.
            run: The training to record.

        Raises:
            HooklineError: A tracker cannot start.
        """
        backends = {name: self._load(Tracker, name) for name in part_names(names)}
        return start_trackers(backends, run, self.warn)

    def keep(self, artifact: Artifact) -> None:
        """Set the artifact that remains, and that summary.json reports, if the stage fails.

        Only for an incremental stage (``Stage.incremental``); the files of other stages are removed if they fail. Each
        call replaces the previous artifact.

        Args:
            artifact: What is finished so far.
        """
        self.kept[:] = [artifact]

    def note(self, message: str) -> None:
        """Print one line of information.

        Args:
            message: The line, without a full stop.
        """
        self.reporter.note(message)

    def warn(self, message: str) -> None:
        """Print a warning; summary.json lists it under ``warnings``.

        Args:
            message: The line, without a full stop.
        """
        self.reporter.warn(message)

    def figures(self, values: Mapping[str, float]) -> None:
        """Write current metrics, e.g. the losses of an epoch, into ``status.json`` while the stage runs.

        Args:
            values: Metrics by name.
        """
        self.reporter.figures(values)

    @contextmanager
    def progress(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Progress]:
        """Show progress while the block runs.

        Args:
            title: What is done, e.g. ``calibrate``.
            total: Number of steps; None if unknown.
            unit: Unit of the steps, e.g. ``images``.
        """
        with self.reporter.progress(title, total, unit) as progress:
            yield progress

    def _load(self, kind: type[Part[ImplT]], name: str) -> ImplT:
        part = self.registry.get(kind, name)
        self.loaded.add((kind.kind, name))
        return part.load(self.options(kind.kind, name))
