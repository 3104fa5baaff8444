"""Building an engine: the job of a runtime, its calibration, and where it reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.artifacts import Engine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.artifacts import GraftedModel
    from core.model_facts import InputContract, Precision
    from core.options.sizes import Span
    from core.reporting import Progress


@dataclass(frozen=True)
class CalibrationFeed:
    """Calibration data for a runtime that quantises during the build. Images are read lazily.

    Attributes:
        digest: Digest of the images, their number, order and preprocessing; with a table, digest of the table.
        table: The JSON file of the calibration table; None for ``CalibrationInput.images``.
        batches: ``batches(contract)`` yields network inputs, float32 [B, 3, H, W] with the batch of the contract; the
            last one may be smaller. None with a table.
    """

    digest: str
    table: Path | None
    batches: Callable[[InputContract], Iterator[NDArray[np.float32]]] | None


class BuildReporter(Protocol):
    """Reports of a build to the user; a ``RunContext`` is one."""

    def note(self, message: str) -> None:
        """Print one line of information.

        Args:
            message: The line, without a full stop.
        """
        ...

    def warn(self, message: str) -> None:
        """Print a warning; summary.json lists it.

        Args:
            message: The line, without a full stop.
        """
        ...

    def progress(self, title: str, total: int | None = None, unit: str = "") -> AbstractContextManager[Progress]:
        """Show progress while the block runs.

        Args:
            title: What is done, e.g. ``build``.
            total: Number of steps; None if unknown.
            unit: Unit of the steps, e.g. ``images``.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """The options of a build that are known before anything runs; for ``Runtime.check_build``.

    Attributes:
        precision: Option ``build.precision``; None for that of the model.
        batch: Images per inference; None for that of the model.
        imgsz: Height and width of the input; None for those of the model.
        device: Option ``device``: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
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
        target: The file to write, with the runtime's ``engine_suffix``. Write further files of the engine into its
            folder.
        precision: Precision of the engine: that of the model, or int8 with ``calibration``. For int8 without
            ``calibration``, the model has Q/DQ pairs by the rules of ``Runtime.qdq``.
        batch: Images per inference, from ``build.batch``; None for that of the model. Set only for a runtime with
            ``Runtime.shapes``. Sizes other than those of the model are possible only for an axis in
            ``model.contract.dynamic``; otherwise raise a ``HooklineError`` that names ``export.dynamic``. The contract
            of the engine has the ``opt`` sizes, and its ``dynamic`` lists the axes with a span that is not ``fixed``.
        imgsz: Height and width, from ``build.imgsz``, multiples of the largest stride of the model; None for those of
            the model. Otherwise as ``batch``.
        warmup: Number of warm-up runs of the finished engine; may be 0.
        device: Option ``device``: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        calibration: Calibration data, set if and only if ``Runtime.calibrates`` returns ``images`` or ``table``, the
            model is float32 and ``precision`` is int8.
        cache_dir: Cache folder for later builds, shared by all runs of this user. Create your own folder in it.
        reporter: Prints notes, warnings and progress.
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

    def engine(
        self,
        runtime: str,
        machine: Mapping[str, str],
        *,
        contract: InputContract | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Engine:
        """Return the artifact of the finished engine, with the facts of the model.

        Args:
            runtime: Name of the runtime.
            machine: Facts of the machine, from ``RuntimeBackend.machine``, and further facts of the engine.
            contract: Input of the engine; None for that of the model. Required with ``batch`` or ``imgsz``.
            settings: Options of the runtime with which it was built.
        """
        model = self.model
        return Engine(
            path=self.target,
            notes=model.notes,
            facts=model.facts,
            contract=contract or model.contract,
            layout=model.layout,
            precision=self.precision,
            runtime=runtime,
            score_threshold=model.score_threshold,
            machine=machine,
            settings=settings or {},
        )
