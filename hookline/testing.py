"""Helpers for tests of plugins: a registry and a context for one plugin, and complete runs in a temporary folder.

They do not depend on pytest. Pass the ``tmp_path`` of pytest as ``folder``; all files are written below it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from core.artifacts import Checkpoint
from core.execution.run_result import RunResult
from core.kinds.context import RunContext
from core.kinds.lookup import PROJECT, Origin
from core.kinds.table import PART_KINDS
from core.plugins.discovery import BUILTINS
from core.plugins.loading import load_alone
from core.plugins.registry import Registry
from core.version import __version__
from hookline import running
from hookline.options import arguments

if TYPE_CHECKING:
    from core.reporting import Reporter
    from core.storage.serial import DataclassInstance

TINY = ("toy.train=8", "toy.val=4", "toy.imgsz=64", "toy.objects=2")
TINY_TRAINING = (
    "model=yolov5n",
    "weights=null",
    "imgsz=64",
    "train.epochs=1",
    "train.batch=4",
    "train.plots=false",
    "train.workers=0",
)


@dataclass
class Recorder:
    """A reporter that records all reports.

    Attributes:
        notes, warnings: Lines in order.
        values: The latest metrics.
        titles, totals, units: Arguments of each call of ``progress``.
        steps: Total number of steps of all progress lines.
        step_note: The latest note of a step.
    """

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    titles: list[str] = field(default_factory=list)
    totals: list[int | None] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    steps: int = 0
    step_note: str = ""

    def note(self, message: str) -> None:
        """Record a line of information."""
        self.notes.append(message)

    def warn(self, message: str) -> None:
        """Record a warning."""
        self.warnings.append(message)

    def figures(self, values: Mapping[str, float]) -> None:
        """Record the latest metrics."""
        self.values = dict(values)

    @contextmanager
    def progress(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Recorder]:
        """Record title, number and unit of the steps, and count the steps."""
        self.titles.append(title)
        self.totals.append(total)
        self.units.append(unit)
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count steps, and record the latest note."""
        self.steps += steps
        self.step_note = note or self.step_note


def load(*plugins: object, shipped: bool = False) -> Registry:
    """Return a registry that contains only the given plugins.

    Args:
        plugins: Modules, or objects with methods marked with ``hookimpl``.
        shipped: Also register the stages and parts of hookline, before the plugins.

    Raises:
        HooklineError: A plugin is broken. The message names hook, file and line; ``__cause__`` is the exception of the
            plugin.
    """
    registry = Registry()
    for name in BUILTINS if shipped else ():
        load_alone(importlib.import_module(name), Origin(name, PROJECT, __version__, name), registry)
    for plugin in plugins:
        module = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
        load_alone(plugin, Origin(module, "tests", "0", module), registry)
    return registry


def context(
    folder: Path,
    *plugins: object,
    shipped: bool = False,
    options: Mapping[tuple[str, str], DataclassInstance] | None = None,
    device: str = "cpu",
    backend: str = "auto",
    seed: int = 0,
    reporter: Reporter | None = None,
) -> RunContext:
    """Return a context in which the function of a stage or the implementation of a part can be called directly.

    Args:
        folder: Folder for ``workdir``, ``run_dir`` and ``cache_dir``.
        plugins, shipped: As for :func:`load`.
        options: Options of parts by kind and name, e.g. ``{("runtimes", "mychip"): MyChipOptions(cores=2)}``. All other
            parts have their defaults.
        device, backend, seed: As in :class:`RunContext`.
        reporter: Receives notes, warnings and progress; None for a new :class:`Recorder`.
    """
    registry, given = load(*plugins, shipped=shipped), options or {}
    workdir = folder / "work"
    workdir.mkdir(parents=True, exist_ok=True)
    return RunContext(
        workdir=workdir,
        run_dir=folder / "run",
        cache_dir=folder / "cache",
        seed=seed,
        device=device,
        backend=backend,
        registry=registry,
        options=lambda kind, name: given.get((kind, name)) or registry.get(PART_KINDS[kind], name).options(),
        reporter=reporter or Recorder(),
    )


def run(*overrides: str, folder: Path, plugins: Sequence[ModuleType | str] = ()) -> RunResult:
    """Run stages like :func:`hookline.run`, with cache, store and run directory below ``folder``.

    Args:
        overrides: Arguments of the command line.
        folder: The folder. Runs with the same folder share its store.
        plugins: Plugin modules that no installed distribution declares in the entry-point group ``hookline``.

    Raises:
        HooklineError: The run failed.
    """
    names = [plugin if isinstance(plugin, str) else plugin.__name__ for plugin in plugins]
    previous = os.environ.get("HOOKLINE_PLUGINS", "")
    changes = {"HOOKLINE_HOME": str(folder / "home"), "HOOKLINE_PLUGINS": ":".join(filter(None, (previous, *names)))}
    run_dir = next(path for number in count() if not (path := folder / "runs" / str(number)).exists())
    with _environment(changes):
        return running.run(*overrides, *arguments({"hydra.run.dir": run_dir}), quiet=True)


def tiny_dataset(folder: Path) -> Path:
    """Generate a data set of 12 images of 64 x 64 pixels with 3 classes, and return its data.yaml.

    Args:
        folder: As for :func:`run`. The data set is generated once per folder.
    """
    return run("+stage=toy", *TINY, folder=folder).artifacts["toy"].path.parent / "data.yaml"


def tiny_model(folder: Path) -> Checkpoint:
    """Train yolov5n for one epoch on :func:`tiny_dataset` and return the checkpoint.

    The model detects nothing useful, but works in all stages. Training takes about ten seconds.

    Args:
        folder: As for :func:`run`. The model is trained once per folder.
    """
    model = run("+stage=[toy,train]", *TINY, *TINY_TRAINING, folder=folder).artifacts["train"]
    assert isinstance(model, Checkpoint)
    return model


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Change environment variables in the block, and restore all of them afterwards."""
    previous = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        for name in os.environ.keys() - previous.keys():
            del os.environ[name]
        os.environ.update(previous)
