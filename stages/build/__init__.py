"""Stage ``build``: build an engine of one runtime from a grafted model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from core.artifacts import Artifact, CalibrationTable, Dataset, Engine, GraftedModel
from core.errors import HooklineError
from core.kinds.stage import Known, Stage
from core.model_facts import CalibrationInput, Precision
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
    from stages.build.building import build_engine

    return build_engine(config, model, dataset, table, context)


def select(config: BuildConfig, context: RunContext) -> Collection[type[Artifact]]:
    """Return the input types: the model, and the table or data set for a runtime that quantises the model itself."""
    needed = config.calibration(context)
    if needed is CalibrationInput.table:
        return {GraftedModel, CalibrationTable}
    images = needed is CalibrationInput.images and not config.source
    return {GraftedModel, Dataset} if images else {GraftedModel}


def fingerprint(config: BuildConfig, context: RunContext) -> Mapping[str, str]:
    """Return the machine facts, so that an engine in a shared store is never reused on the wrong machine."""
    from stages.build.checking import machine_of

    facts = machine_of(config.backend, context)
    if config.calibration(context) is CalibrationInput.images:
        from core.inference.calibration_images import source_digest

        facts |= {"pictures": str(config.pictures), "processor": config.processor}
        facts |= {"max_pixels": str(config.max_pixels)}
        facts |= source_digest(config, context)
    return facts


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
