"""Build an engine, and check what the runtime returned."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from core.artifacts import CalibrationTable, Dataset, Engine, GraftedModel
from core.containment.engine_results import check_engine, check_machine
from core.containment.failures import faults_of
from core.files.paths import output_path
from core.kinds.building import BuildJob, CalibrationFeed
from core.kinds.runtime import Runtime
from core.model_facts import CalibrationInput, Precision
from core.options.sizes import read_batch, read_size
from core.planning.known import known_of
from stages.build.checking import fitting_problems, machine_of, problems
from stages.build.config import BuildConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def build_engine(
    config: BuildConfig,
    model: GraftedModel,
    dataset: Dataset | None,
    table: CalibrationTable | None,
    context: RunContext,
) -> Engine:
    """Build the engine and warm it up.

    Raises:
        HooklineError: The options do not fit the runtime or the model.
        PluginError: The runtime returned another engine than the job describes.
    """
    for problem in chain(problems(config, context), fitting_problems(config, known_of(model), context)):
        raise problem
    calibration, notes = None, tuple[str, ...]()
    if config.calibration(context) is not CalibrationInput.none:
        from stages.build.feeding import feed

        calibration, notes = feed(config, dataset, table, context)
    job = _job(config, model, calibration, context)
    here = machine_of(config.backend, context)
    built = context.runtime(config.backend).build(job)
    with faults_of("runtimes", config.backend, context.registry):
        engine = check_engine(built, job, config.backend)
        check_machine(engine, here)
    return replace(engine, notes=(*engine.notes, *notes))


def _job(
    config: BuildConfig, model: GraftedModel, calibration: CalibrationFeed | None, context: RunContext
) -> BuildJob:
    suffix = context.registry.get(Runtime, config.backend).engine_suffix
    precision = Precision.int8 if calibration else model.precision
    return BuildJob(
        model=model,
        target=output_path(context.workdir, f"{model.facts.variant}-{precision.value}{suffix}"),
        precision=precision,
        batch=None if config.batch is None else read_batch(config.batch),
        imgsz=None if config.imgsz is None else read_size(config.imgsz, model.facts.max_stride),
        warmup=config.warmup,
        device=context.device,
        calibration=calibration,
        cache_dir=context.cache_dir,
        reporter=context,
    )
