"""What a runtime is asked to build, and what it needs for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.artifacts import GraftedModel
from core.model_facts import InputContract, Precision
from core.options.sizes import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.reporting import Progress


class CalibrationInput(str, Enum):
    """What a runtime needs to quantise a float32 model by itself while it builds (``Runtime.calibrates``).

    ``none``: It does not; the stage quantize makes int8. ``images``: Calibration images. ``table``: The ranges that the
    stage calibrate found.
    """

    none = "none"
    images = "images"
    table = "table"


@dataclass(frozen=True)
class CalibrationFeed:
    """The calibration of a runtime that quantises by itself. Nothing is read before it asks.

    Attributes:
        digest: Of the images, their number and order, and of how they are prepared; of the table where there is one.
        table: The JSON of a calibration table; None for ``CalibrationInput.images``.
        batches: For a contract, the network's inputs, float32 [B, 3, H, W] of its batch; the last one may be smaller.
            None where there is a table.
    """

    digest: str
    table: Path | None
    batches: Callable[[InputContract], Iterator[NDArray[np.float32]]] | None


class BuildReporter(Protocol):
    """Where a build reports to the user; a ``RunContext`` is one."""

    def note(self, message: str) -> None:
        """Print one line of information."""
        ...

    def warn(self, message: str) -> None:
        """Print one line that must not be missed; summary.json repeats it."""
        ...

    def progress(self, title: str, total: int | None = None, unit: str = "") -> AbstractContextManager[Progress]:
        """Show the progress of ``total`` steps (None: not known) while the block runs."""
        ...


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What is known of a build before anything runs; for ``Runtime.check_build``.

    Attributes:
        precision: ``build.precision``; None: that of the model.
        batch: Images per inference; None: those of the model.
        imgsz: Height and width of the input; None: those of the model.
        device: ``device=``: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    precision: Precision | None
    batch: Span[int] | None
    imgsz: Span[tuple[int, int]] | None
    device: str


@dataclass(frozen=True, kw_only=True)
class BuildJob:
    """One engine to build.

    Attributes:
        model: The grafted model: ``model.path`` is the ONNX file, ``model.contract`` its input.
        target: The file to write, with the runtime's ``engine_suffix``. Other files of the engine go into its folder.
        precision: Of the engine: that of the model, or int8 with ``calibration``. For int8 without ``calibration`` the
            model has Q/DQ pairs by the rules of ``Runtime.qdq``.
        batch: Images per inference, from ``build.batch``; None: those of the model. Given only to a runtime with
            ``Runtime.shapes``. An axis is built for other sizes than that of the model only if it is in
            ``model.contract.dynamic``; raise a ``HooklineError`` that names ``export.dynamic`` otherwise. The contract
            of the engine has the ``opt`` sizes, and as ``dynamic`` the axes whose span is not ``fixed``.
        imgsz: Height and width, from ``build.imgsz``, multiples of the model's largest stride; None: those of the
            model. As ``batch``.
        warmup: Number of times to run the finished engine, which shows that it runs; may be 0.
        device: ``device=``: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        calibration: Given exactly where ``Runtime.calibrates`` asks for it: the model is float32 and the engine is to
            be int8.
        cache_dir: Folder for what later builds can reuse, shared by all runs of this user; make a folder of your own
            in it.
        reporter: For notes, warnings and progress.
    """

    model: GraftedModel
    target: Path
    precision: Precision
    batch: Span[int] | None
    imgsz: Span[tuple[int, int]] | None
    warmup: int
    device: str
    calibration: CalibrationFeed | None
    cache_dir: Path
    reporter: BuildReporter
