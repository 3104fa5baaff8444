"""What a stage gets besides its config and its inputs: a place to write, parts by name, progress."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

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
        """``steps`` more are done; ``note`` replaces the text at the end of the line."""
        ...


class Reporter(Protocol):
    """Where a run speaks to the person in front of it."""

    def note(self, message: str) -> None:
        """One line of information."""
        ...

    def warn(self, message: str) -> None:
        """One line that must not be missed; repeated in summary.json."""
        ...

    def figures(self, values: Mapping[str, float]) -> None:
        """The newest figures of the stage that runs, for programs that follow the run."""
        ...

    def progress(self, title: str, total: int | None, unit: str) -> AbstractContextManager[Progress]:
        """A progress line for ``total`` steps (None: not known)."""
        ...


@dataclass(frozen=True)
class RunContext:
    """Handed to every stage.

    Attributes:
        workdir: Empty directory of this stage; what it writes there becomes the artifact's.
        run_dir: The Hydra output directory of the run.
        cache_dir: Downloads and digests, shared by all runs of this user.
        seed: Of every random choice.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        backend: The top-level option: ``auto`` or the name of a runtime.
        registry: All parts by kind and name.
        options: Typed options of a part, by kind and name.
        reporter: Where notes, warnings and progress go.
        asked: The stage was named in ``+stage=``; one that the plan added speaks of little but trouble.
        kept: What the stage leaves should it fail, see :meth:`keep`.
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

    def family(self, name: str) -> ModelFamily:
        """The light descriptor of a model family."""
        return self.registry.get(ModelFamily, name)

    def head(self, facts: ModelFacts, layout: str) -> Head:
        """The head of a model: its outputs, and how boxes are found in them.

        Raises:
            HooklineError: No plugin registers its family, or the family cannot have such a model.
        """
        from core.head import head_of

        return head_of(facts, layout, self.registry)

    def model(self, name: str) -> ModelBackend:
        """The heavy half of a model family."""
        return self._load(ModelFamily, name)

    def calibrator(self, name: str) -> RangeObserver:
        """A fresh observer."""
        return self._load(Calibrator, name)

    def quantizer(self, name: str) -> QuantizerBackend:
        """The heavy half of a quantizer."""
        return self._load(Quantizer, name)

    def graft(self, name: str) -> GraftBackend:
        """The heavy half of a graft."""
        return self._load(Graft, name)

    def runtime(self, name: str) -> RuntimeBackend:
        """The heavy half of a runtime."""
        return self._load(Runtime, name)

    def tapping(self, name: str) -> TappingRuntime:
        """The heavy half of a runtime that shows inner tensors (``Runtime.taps``)."""
        backend = self.runtime(name)
        if not isinstance(backend, TappingRuntime):
            raise TypeError(f"the runtime '{name}' states that it shows inner tensors, and has no method 'tap'")
        return backend

    def processor(self, name: str) -> ProcessorBackend:
        """The heavy half of a processor, on the device of the run where it can be on several."""
        backend = self._load(Processor, name)
        return backend.on_device(self.device) if isinstance(backend, PlacedProcessor) else backend

    def check(self, name: str) -> CheckFunction:
        """The function of a check."""
        return self._load(Check, name)

    def trackers(self, names: object, run: RunInfo) -> Trackers:
        """Trackers that have begun to record ``run``; close them, or use them in a ``with`` block.

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
        """Say what is finished so far; summary.json reports it, should the stage fail.

        For an incremental stage only: what others have written is removed when they fail.
        """
        self.kept[:] = [artifact]

    def note(self, message: str) -> None:
        """Say one line of information."""
        self.reporter.note(message)

    def warn(self, message: str) -> None:
        """Say one line that must not be missed; it is repeated in summary.json."""
        self.reporter.warn(message)

    def figures(self, values: Mapping[str, float]) -> None:
        """Say the newest figures, e.g. losses and scores of an epoch; ``status.json`` holds them while the run goes."""
        self.reporter.figures(values)

    @contextmanager
    def progress(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Progress]:
        """Show progress of ``total`` steps (None: not known) while the block runs."""
        with self.reporter.progress(title, total, unit) as progress:
            yield progress

    def _load(self, kind: type[Part[ImplT]], name: str) -> ImplT:
        return self.registry.get(kind, name).load(self.options(KIND_OF[kind], name))


def cache_home() -> Path:
    """Return ``$HOOKLINE_HOME``, else ``$XDG_CACHE_HOME/hookline``, else ``~/.cache/hookline``.

    A relative ``$XDG_CACHE_HOME`` is ignored, as the XDG specification says.
    """
    if home := os.environ.get("HOOKLINE_HOME"):
        return user_path(home).resolve()
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return user_path(xdg if xdg.startswith("/") else "~/.cache").resolve() / "hookline"
