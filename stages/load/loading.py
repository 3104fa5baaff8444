"""Reads what ``weights=`` names into an artifact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Checkpoint, Engine, OnnxModel
from core.containment import contained_outside
from core.context import RunContext
from core.download import fetch
from core.errors import HooklineError
from core.output_paths import output_path
from core.parts import ModelFamily
from core.registry import Registry
from core.sidecar import read_model
from stages.load.fitting import check_family, fitted
from stages.load.naming import LocalFile, Official, cache_file, described, locate

if TYPE_CHECKING:
    from stages.load import LoadConfig


def load_weights(config: LoadConfig, context: RunContext) -> Checkpoint | OnnxModel | Engine:
    """Return the artifact that ``config.weights`` is. Models with a sidecar and ONNX files stay where they are.

    Raises:
        HooklineError: No such weights, they cannot be fetched, no model family can read them, or they have another size
            or precision than the one that was asked for.
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
    fetched = fetch(source.name, source.release, cache_file(source, context.cache_dir), context.reporter)
    checkpoint = context.model(source.family).read(
        fetched.path, output_path(context.workdir, f"{source.name}.safetensors")
    )
    if not fetched.remark:
        return checkpoint
    context.warn(fetched.remark)
    return replace(checkpoint, notes=(*checkpoint.notes, fetched.remark))


def _unchanged(source: LocalFile, registry: Registry) -> Checkpoint | OnnxModel | Engine | None:
    """Return the model that the sidecar describes, its files verified; None without a sidecar."""
    described(source, registry)
    known = read_model(source.path)
    if isinstance(known, Checkpoint):
        return replace(known, values=None, report=())  # of the training, not of this run
    return known if isinstance(known, OnnxModel | Engine) else None


def _read(path: Path, context: RunContext) -> Checkpoint:
    """Let each model family try."""
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
    raise HooklineError(f"no model family can read '{path}' ({reasons or 'none is loaded'})")
