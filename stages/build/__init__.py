"""Stage ``build``: build an engine of one runtime from a grafted model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from core.artifacts import Artifact, CalibrationTable, Dataset, Engine, GraftedModel
from core.errors import HooklineError
from core.files.paths import output_path
from core.kinds.building import BuildJob, CalibrationInput
from core.kinds.runtime import Runtime
from core.kinds.stage import Known, Stage
from core.model_facts import Precision
from core.options.sizes import read_batch, read_size
from core.planning.known import known_of
from core.plugins.hookspecs import hookimpl
from stages.build.config import BuildConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def build(
    config: BuildConfig,
    model: GraftedModel,
    dataset: Dataset | None,
    table: CalibrationTable | None,
    context: RunContext,
) -> Engine:
    """Build the engine and warm it up."""
    from core.plugins.engine_results import check_engine, check_machine
    from core.plugins.failures import faults_of

    for problem in check(config, context):
        raise problem
    for problem in check_inputs(config, {"model": known_of(model)}, context):
        raise problem
    runtime = context.registry.get(Runtime, config.backend)
    calibration, notes = None, tuple[str, ...]()
    if config.calibration(context) is not CalibrationInput.none:
        from stages.build.feeding import feed

        calibration, notes = feed(config, dataset, table, context)
    precision = Precision.int8 if calibration else model.precision
    job = BuildJob(
        model=model,
        target=output_path(context.workdir, f"{model.facts.variant}-{precision.value}{runtime.engine_suffix}"),
        precision=precision,
        batch=None if config.batch is None else read_batch(config.batch),
        imgsz=None if config.imgsz is None else read_size(config.imgsz, model.facts.max_stride),
        warmup=config.warmup,
        device=context.device,
        calibration=calibration,
        cache_dir=context.cache_dir,
        reporter=context,
    )
    built = context.runtime(config.backend).build(job)
    with faults_of("runtimes", config.backend, context.registry):
        engine = check_engine(built, job, config.backend)
        if context.registry.origin("runtimes", config.backend).outside:  # built-in runtimes write facts of their own
            check_machine(engine, _machine(config.backend, context))
    return replace(engine, notes=(*engine.notes, *notes))


def select(config: BuildConfig, context: RunContext) -> Collection[type[Artifact]]:
    """Return the input types: the model, and the table or data set for a runtime that quantises itself."""
    needed = config.calibration(context)
    if needed is CalibrationInput.table:
        return {GraftedModel, CalibrationTable}
    images = needed is CalibrationInput.images and not config.source
    return {GraftedModel, Dataset} if images else {GraftedModel}


def fingerprint(config: BuildConfig, context: RunContext) -> Mapping[str, str]:
    """Return the machine facts, so that an engine in a shared store is never reused on the wrong machine."""
    facts = _machine(config.backend, context)
    if config.calibration(context) is CalibrationInput.images:
        from core.inference.calibration_images import source_digest

        facts |= {"pictures": str(config.pictures), "processor": config.processor}
        facts |= {"max_pixels": str(config.max_pixels)}
        facts |= source_digest(config, context)
    return facts


def _machine(backend: str, context: RunContext) -> dict[str, str]:
    """Return the machine facts that a new engine depends on."""
    runtime = context.registry.get(Runtime, backend)
    portable = runtime.portable(context.options("runtimes", backend))
    machine = context.runtime(backend).machine(context.device)
    return {name: value for name, value in machine.items() if name not in portable}


def check(config: BuildConfig, context: RunContext) -> Iterable[HooklineError]:
    """Yield the options that the runtime does not support."""
    from stages.build.checking import problems

    return problems(config, context)


def known(config: BuildConfig, inputs: Mapping[str, Known], context: RunContext) -> Known:
    """Return the known facts of the engine: those of the grafted model, the precision and the runtime."""
    model = inputs.get("model", Known())
    calibrated = config.calibration(context) is not CalibrationInput.none
    return replace(model, precision=Precision.int8 if calibrated else model.precision, runtime=config.backend)


def check_inputs(config: BuildConfig, inputs: Mapping[str, Known], context: RunContext) -> Iterable[HooklineError]:
    """Yield why no engine can be built from the model: its quantisation rules, its precision or an input size."""
    from stages.build.checking import fitting_problems

    return fitting_problems(config, inputs.get("model", Known()), context)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Register the stage."""
    yield Stage(
        name="build",
        summary="build an engine, and warm it up if it can run here",
        run=build,
        select=select,
        fingerprint=fingerprint,
        check=check,
        known=known,
        check_inputs=check_inputs,
    )
