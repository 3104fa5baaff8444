"""What a part wrote or returned, checked before it enters the store: a fault carries the name of the part's plugin.

Without this check the next stage, or the next run, meets the fault, and nothing names the plugin that made it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Engine, OnnxModel
from core.building import BuildJob
from core.containment import Fault, PluginError, module_place
from core.errors import HooklineError, shown
from core.onnx_file import check_onnx, graph_inputs, read_onnx
from core.registry import KINDS, Registry

if TYPE_CHECKING:
    import onnx


@contextmanager
def faults_of(kind: str, name: str, registry: Registry) -> Iterator[None]:
    """Report a fault in the block as one of the part's plugin.

    Args:
        kind: Of the part, e.g. ``runtimes``.
        name: Of the part.
        registry: Says who ships it.

    Raises:
        PluginError: In place of a :class:`Fault`.
    """
    try:
        yield
    except Fault as fault:
        origin = registry.origin(kind, name)
        raise PluginError(origin, f"{KINDS[kind][1]} '{name}'", fault, module_place(origin.module)) from fault


def check_written(target: Path) -> None:
    """Refuse a target that is no regular file.

    Raises:
        Fault: It is missing, a link or a folder.
    """
    try:
        regular = stat.S_ISREG(target.lstat().st_mode)
    except FileNotFoundError:
        raise Fault(f"did not write '{target.name}'") from None
    if not regular:
        raise Fault(f"must write '{target.name}' as a file, and made a link or a folder")


def read_written(target: Path, *, standard: bool = False) -> onnx.ModelProto:
    """Return the ONNX model that a part wrote.

    Args:
        target: Its file.
        standard: Refuse operators that are in no ONNX standard.

    Raises:
        Fault: There is none, or it is not valid.
    """
    check_written(target)
    try:
        model = read_onnx(target)
        if standard:
            check_onnx(model, target)
    except HooklineError as problem:
        raise Fault(f"wrote an unusable file: {problem.message.replace(str(target), target.name)}") from problem
    return model


def check_model(target: Path, source: OnnxModel) -> None:
    """Refuse a model that does not take and give what the model does that it was made from.

    Raises:
        Fault: It is missing, not valid, or has other inputs or outputs.
    """
    made, former = _signature(read_written(target, standard=True)), _signature(read_onnx(source.path))
    for what, found in made.items():
        if found != former[what]:
            raise Fault(f"must keep the {what} {shown(former[what])}, and wrote {shown(found)}")


def check_engine(engine: object, job: BuildJob, runtime: str) -> Engine:
    """Return the engine that a runtime built.

    Raises:
        Fault: It is no engine, lies elsewhere, or is not that of the model.
    """
    if not isinstance(engine, Engine):
        raise Fault(f"build must return an Engine, and returned {shown(engine)}")
    model = job.model
    wanted = {
        "path": job.target,
        "runtime": runtime,
        "precision": job.precision,
        "facts": model.facts,
        "layout": model.layout,
        "score_threshold": model.score_threshold,
    }
    for name, value in wanted.items():
        found = getattr(engine, name)
        if found != value:
            raise Fault(f"build must return an Engine with {name}={_text(value)}, and returned {_text(found)}")
    check_written(job.target)
    return engine


def _text(value: object) -> str:
    return shown(str(value) if isinstance(value, Path) else value)


def _signature(model: onnx.ModelProto) -> Mapping[str, list[str]]:
    """Return names and shapes of the inputs, and names of the outputs."""
    return {
        "inputs": [f"{item.name} {_sizes(item)}" for item in graph_inputs(model)],
        "outputs": [item.name for item in model.graph.output],
    }


def _sizes(value: onnx.ValueInfoProto) -> str:
    dims = value.type.tensor_type.shape.dim
    sizes = ", ".join(str(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param for dim in dims)
    return f"type {value.type.tensor_type.elem_type} [{sizes}]"
