"""Stage ``build``: a grafted model becomes an engine of one runtime for this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from core.artifacts import Artifact, CalibrationTable, Dataset, Engine, GraftedModel, Int8Route, Precision
from core.config import shared
from core.errors import HooklineError
from core.hookspecs import hookimpl
from core.known import Known, known_of
from core.output_paths import output_path
from core.ranges import NonNegative, Positive
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext


CURRENT = "current"
"""In ``build.compute_capabilities``: the card of this machine, which the runtime tells as its ``card``."""


class Method(str, Enum):
    """How a runtime that calibrates by itself finds the ranges; ``table`` takes those of the stage calibrate."""

    minmax = "minmax"
    entropy = "entropy"
    table = "table"


@dataclass
class BuildConfig:
    """Options of the stage.

    Attributes:
        backend: The runtime that the engine is for.
        warmup: How many times the finished engine is run before it is handed on.
        precision: The precision of the engine; null: that of the model. Without ``int8=calibrator`` the model has to
            have it already.
        batch: Images per call: a number, or ``{min: 1, opt: 8, max: 16}``; null: that of the model.
        imgsz: Input size: pixels, ``[height, width]``, or ``{min: 320, opt: 640, max: 640}``; null: that of the model.
        int8: ``qdq``: the stage quantize puts int8 into the graph. ``calibrator``: TensorRT up to 10 does it
            while it builds, from the same images, which are those of ``calibrate``.
        method: For ``int8=calibrator``: ``minmax`` or ``entropy`` of TensorRT; ``table``: the ranges of ``calibrate``.
        source: Images for ``int8=calibrator``.
        data: Path of the data.yaml, where ``source`` is null.
        split: Of the data set.
        pictures: Maximum number of images; from more, this many are drawn by ``seed``.
        processor: Letterbox and normalisation of these images.
        max_pixels: Maximum width x height of an image or a frame; the header is checked before anything is decoded.
        compute_capabilities: Cards that TensorRT-RTX builds for, e.g. ``[sm86,sm89,sm120]``; none leaves it to the
            library: Ampere and later. ``[current]`` is the card of this machine.
    """

    backend: str = shared("backend", kind="runtimes")
    warmup: NonNegative = 3
    precision: Precision | None = shared("precision")
    batch: Any = None
    imgsz: Any = None
    int8: Int8Route = Int8Route.qdq
    method: Method = Method.minmax
    source: Any = shared("calibrate.source", place=True)
    data: str | None = shared("data", place=True)
    split: str = shared("calibrate.split", fingerprinted=True)
    pictures: Positive = shared("calibrate.pictures", fingerprinted=True)
    processor: str = shared("processor", kind="processors", fingerprinted=True)
    max_pixels: int = shared("max_pixels", fingerprinted=True)
    compute_capabilities: list[str] = field(default_factory=list)

    @property
    def calibrated(self) -> bool:
        """The runtime is to quantise a float32 model by itself."""
        return self.int8 is Int8Route.calibrator


def build(
    config: BuildConfig,
    model: GraftedModel,
    dataset: Dataset | None,
    table: CalibrationTable | None,
    context: RunContext,
) -> Engine:
    """Build the engine and warm it up."""
    for problem in check(config, context):
        raise problem
    for problem in check_inputs(config, {"model": known_of(model)}, context):
        raise problem
    runtime = context.registry.part("runtimes", config.backend)
    precision = Precision.int8 if config.calibrated else model.precision
    target = output_path(context.workdir, f"{model.facts.variant}-{precision.value}{runtime.engine_suffix}")
    backend = context.runtime(config.backend)
    if not config.calibrated:
        return backend.build(model, config, target, context)
    from stages.build.feeding import feed

    calibration, notes = feed(config, dataset, table, context)
    engine = backend.build(model, config, target, context, calibration)
    return replace(engine, notes=(*engine.notes, *notes))


def select(config: BuildConfig) -> Collection[type[Artifact]]:
    """The model, and for a calibrator the table, or the data set where the pictures come from nowhere else."""
    if not config.calibrated:
        return {GraftedModel}
    if config.method is Method.table:
        return {GraftedModel, CalibrationTable}
    return {GraftedModel} if config.source else {GraftedModel, Dataset}


def fingerprint(config: BuildConfig, context: RunContext) -> Mapping[str, str]:
    """The machine: an engine in a store that several machines share is never reused on the wrong one."""
    facts = dict(context.runtime(config.backend).machine(context.device))
    if CURRENT not in config.compute_capabilities:
        facts.pop("card", None)  # engines for cards that are named are the same wherever they are built
    if config.calibrated and config.method is not Method.table:
        from core.calibration_pictures import source_digest

        facts |= {"pictures": str(config.pictures), "processor": config.processor}
        facts |= {"max_pixels": str(config.max_pixels)}
        facts |= source_digest(config, context)
    return facts


def check(config: BuildConfig, context: RunContext) -> Iterable[HooklineError]:
    """Options that the runtime does not take."""
    from stages.build.checking import problems

    return problems(config, context)


def known(config: BuildConfig, inputs: Mapping[str, Known], _context: RunContext) -> Known:
    """Return what is known of the grafted model, and the precision of the engine."""
    model = inputs.get("model", Known())
    return replace(model, precision=Precision.int8 if config.calibrated else model.precision, runtime=config.backend)


def check_inputs(config: BuildConfig, inputs: Mapping[str, Known], _context: RunContext) -> Iterable[HooklineError]:
    """Yield why no engine can be built of the model: its rules, its precision, an input size off its stride."""
    from stages.build.checking import fitting_problems

    return fitting_problems(config, inputs.get("model", Known()))


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="build",
        summary="build an engine for this machine and warm it up",
        run=build,
        select=select,
        fingerprint=fingerprint,
        check=check,
        known=known,
        check_inputs=check_inputs,
    )
