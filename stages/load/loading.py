"""Reads what ``weights=`` names into an artifact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.artifacts import Checkpoint, Engine, OnnxModel
from core.context import RunContext
from core.digest import file_digest
from core.download import fetch
from core.errors import HooklineError
from core.output_paths import output_path
from core.store import SIDECAR, read_artifact
from stages.load.naming import LocalFile, Official, cache_file, locate, sidecar_problem


def load_weights(weights: str | None, context: RunContext) -> Checkpoint | OnnxModel | Engine:
    """The artifact that ``weights`` is. Models with a sidecar and ONNX files stay where they are.

    Raises:
        HooklineError: No such weights, they cannot be fetched, or no model family can read them.
    """
    source = locate(weights, context.registry)
    if isinstance(source, Official):
        return _official(source, context)
    if source.official:
        context.note(f"weights '{weights}' is the file '{source.path}', not the official release of that name")
    known = _described(source)
    if known is not None:
        return known
    if source.path.suffix == ".onnx":
        from stages.load.foreign import inspect_onnx

        return inspect_onnx(source.path)
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


def _described(source: LocalFile) -> Checkpoint | OnnxModel | Engine | None:
    """What the sidecar says, after a look at whether it speaks of this file."""
    sidecar_problem(source)
    known = read_artifact(source.path)
    if not isinstance(known, Checkpoint | OnnxModel | Engine):
        return None
    if known.sha256 != file_digest(source.path):
        raise HooklineError(
            f"'{source.path}' is not the file that '{source.path.name}{SIDECAR}' beside it describes (sha256 differs)",
            "remove the sidecar, or make the file again",
        )
    return known


def _read(path: Path, context: RunContext) -> Checkpoint:
    """Let each model family try."""
    target = output_path(context.workdir, f"{path.stem}.safetensors")
    problems: dict[str, HooklineError] = {}
    for family in context.registry.parts("models"):
        try:
            return context.model(family).read(path, target)
        except HooklineError as problem:
            problems[family] = problem
    if len(problems) == 1:
        raise next(iter(problems.values()))
    reasons = "; ".join(f"{family}: {problem.message}" for family, problem in problems.items())
    raise HooklineError(f"no model family can read '{path}' ({reasons or 'none is loaded'})")
