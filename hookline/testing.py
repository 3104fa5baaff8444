"""For tests of plugins: one plugin in a context of its own, and runs of the real program in a folder of the test.

Needs no pytest. ``folder`` is meant to be pytest's ``tmp_path``: everything is written below it.
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

from core.execution.in_process import RunResult, run_in_process
from core.kinds.lookup import PROJECT, Origin
from core.kinds.table import PART_KINDS
from core.plugins.registry import Registry
from core.version import __version__
from hookline.options import arguments

if TYPE_CHECKING:
    from core.artifacts import Checkpoint
    from core.kinds.context import RunContext
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
    """A reporter that keeps what was reported.

    Attributes:
        notes, warnings: Lines in order.
        values: The newest figures.
        titles, totals, units: Of each progress that was shown.
        steps: Steps that all of them advanced.
        step_note: The newest note of a step.
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
        """Keep a line of information."""
        self.notes.append(message)

    def warn(self, message: str) -> None:
        """Keep a warning."""
        self.warnings.append(message)

    def figures(self, values: Mapping[str, float]) -> None:
        """Keep the newest figures."""
        self.values = dict(values)

    @contextmanager
    def progress(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Recorder]:
        """Keep title, number and unit of the steps, and count them."""
        self.titles.append(title)
        self.totals.append(total)
        self.units.append(unit)
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count steps, and keep the newest note."""
        self.steps += steps
        self.step_note = note or self.step_note


def load(*plugins: object, shipped: bool = False) -> Registry:
    """Return what plugins register, without any other plugin.

    Args:
        plugins: Modules, or objects whose methods are marked with ``hookimpl``.
        shipped: Register the parts that hookline ships first.

    Raises:
        HooklineError: A mistake of a plugin, with hook, file and line; what its code raised is the ``__cause__``.
    """
    from core.plugins.discovery import BUILTINS
    from core.plugins.loading import load_alone

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
    """Return a context to call the function of a stage, or the heavy half of a part, directly.

    Args:
        folder: Where ``workdir``, ``run_dir`` and ``cache_dir`` lie.
        plugins, shipped: As for :func:`load`.
        options: Options of a part by kind and name, e.g. ``{("runtimes", "mychip"): MyChipOptions(cores=2)}``; the
            others have their defaults.
        device, backend, seed: Of the context.
        reporter: Gets notes, warnings and progress; None: a :class:`Recorder`.
    """
    from core.kinds.context import RunContext

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
    """Run stages as :func:`hookline.run` does, with cache, store and the run's directory below ``folder``.

    Args:
        overrides: Arguments of the command line.
        folder: Two runs with one folder share its store.
        plugins: Modules that no installed distribution names in the entry-point group ``hookline``.

    Raises:
        HooklineError: The run could not do what was asked.
    """
    names = [plugin if isinstance(plugin, str) else plugin.__name__ for plugin in plugins]
    former = os.environ.get("HOOKLINE_PLUGINS", "")
    changes = {"HOOKLINE_HOME": str(folder / "home"), "HOOKLINE_PLUGINS": ":".join(filter(None, (former, *names)))}
    run_dir = next(path for number in count() if not (path := folder / "runs" / str(number)).exists())
    with _environment(changes):
        return run_in_process([*overrides, *arguments({"hydra.run.dir": run_dir})], quiet=True)


def tiny_dataset(folder: Path) -> Path:
    """Draw a data set of 12 images of 64 x 64 pixels with 3 classes; return its data.yaml.

    Args:
        folder: As of :func:`run`; drawn once per folder.
    """
    return run("+stage=toy", *TINY, folder=folder).artifacts["toy"].path.parent / "data.yaml"


def tiny_model(folder: Path) -> Checkpoint:
    """Train yolov5n for one epoch on :func:`tiny_dataset`: a model that finds nothing and works as any other.

    Takes some ten seconds.

    Args:
        folder: As of :func:`run`; trained once per folder.
    """
    from core.artifacts import Checkpoint

    model = run("+stage=[toy,train]", *TINY, *TINY_TRAINING, folder=folder).artifacts["train"]
    assert isinstance(model, Checkpoint)
    return model


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Change the environment in the block, and forget what the block itself sets, e.g. the caches of libraries."""
    former = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        for name in os.environ.keys() - former.keys():
            del os.environ[name]
        os.environ.update(former)
