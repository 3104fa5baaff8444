"""Opening a model: ``model = hookline.open("best.pt")``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from core.artifacts import AnyModel, Artifact
from core.errors import HooklineError, PlanError, with_article
from core.inference.open_model import open_model
from core.kinds.lookup import AUTO
from core.kinds.processor import for_session
from core.options.fields import shared
from core.planning.resolve import resolve_parts
from core.selection.openers import opener, opening_problems
from hookline.model import Model, PluginFailures
from hookline.options import arguments

Weights = str | os.PathLike[str] | AnyModel
"""A file, the name of an official release, or a model that a run returned."""


def open(  # noqa: A001  as gzip.open and PIL.Image.open
    weights: Weights,
    *overrides: str,
    device: str | None = None,
    imgsz: int | Sequence[int] | None = None,
    backend: str | None = None,
    processor: str | None = None,
    store: str | os.PathLike[str] | None = None,
    quiet: bool = False,
) -> Model:
    """Open a model for images in memory.

    Args:
        weights: A checkpoint (.pt, .safetensors), an ONNX file or an engine; the name of an official release; or a
            model that :func:`hookline.build` or :func:`hookline.run` returned.
        overrides: Further options as on the command line, e.g. ``"runtimes.onnxruntime.threads=2"``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        imgsz: Input size of a checkpoint or of a model with a dynamic size; None for that of the model, or else 640.
        backend: Name of the runtime. An engine can be opened only by the runtime that built it.
        processor: Name of the pre- and post-processor; None for the best one on the device.
        store: Folder for converted checkpoints; None for the store of the user.
        quiet: Print nothing.

    Returns:
        The opened model.

    Raises:
        HooklineError: The file does not exist, cannot be read, or cannot run on the device.
    """
    from core.execution.in_process import make_in_process  # Hydra: `from hookline import open` stays light

    words: dict[str, object] = {"weights": weights.path if isinstance(weights, Artifact) else weights, "device": device}
    words |= {"imgsz": imgsz, "backend": backend, "processor": processor, "store": store}
    made, request, context = make_in_process(["+stage=load", *arguments(words), *overrides], quiet=quiet)
    model = made[-1]
    if not isinstance(model, AnyModel):
        raise HooklineError(
            f"'{model.path}' is {with_article(type(model).__name__)}, not a model", "give weights or an engine"
        )
    name = model.path.name
    runtime = opener(type(model), getattr(model, "runtime", ""), context)
    problems = list(opening_problems(type(model), runtime, context, f"'{name}'"))
    if request.top_level.backend not in {AUTO, runtime}:
        problems.append(_wrong_backend(model, runtime, request.top_level.backend))
    chosen = resolve_parts(_ProcessorChoice(request.top_level.processor), context, problems, [], runtime=runtime)
    if problems:
        raise PlanError(problems)
    parts = (("runtimes", runtime), ("models", model.facts.family), ("processors", chosen.processor))
    plugins = PluginFailures(f"'{name}'", context, tuple(part for part in parts if part[1]))
    with plugins.named(), ExitStack() as stack:
        loaded = context.processor(chosen.processor)
        session = stack.enter_context(open_model(model, context, imgsz=request.top_level.imgsz))
        return Model(name, session, for_session(loaded, session), plugins, stack.pop_all())


def _wrong_backend(model: AnyModel, runtime: str, requested: str) -> HooklineError:
    """Return the error for a runtime that cannot open this type of model."""
    opens = f"{runtime} opens it" if runtime else "its model family opens it"
    return HooklineError(
        f"backend={requested} cannot open '{model.path.name}': {opens}",
        f"build an engine first: hookline.build(..., backend='{requested}')",
    )


@dataclass(frozen=True)
class _ProcessorChoice:
    """The option ``processor``, so that ``auto`` is resolved as in a plan."""

    processor: str = shared("processor", kind="processors")
