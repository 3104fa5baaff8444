"""Call the function of a stage, and check its result before it enters the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path

from core.artifacts import Artifact
from core.containment.failures import ends_refused, way_out
from core.containment.output import results_kept_apart
from core.errors import HooklineError, reason_of, shown, with_article
from core.kinds.lookup import Origin, Parts
from core.kinds.stage import Stage
from core.storage.serial import DecodeError, decode, encode, json_text, parse
from core.storage.validation import validate


def call_stage(
    stage: Stage, arguments: Mapping[str, object], parts: Iterable[tuple[str, str]], registry: Parts
) -> object:
    """Call the function of a stage.

    Args:
        stage: The stage.
        arguments: Arguments of its function by name.
        parts: Kind and name of the parts that it uses.
        registry: For the plugins of the stage and the parts.

    Raises:
        HooklineError: The function itself raised SystemExit or KeyboardInterrupt. Names stage and distribution.
    """
    origins = [registry.origin("stages", stage.name), *(registry.origin(kind, name) for kind, name in parts)]
    outside = next((origin for origin in origins if origin.outside), None)
    apart = results_kept_apart(outside.plugin) if outside else nullcontext()
    with ends_refused(f"stage '{stage.name}'", origins[0], registry), apart:
        return stage.run(**arguments)


def check_result(
    stage: Stage, origin: Origin, made: object, workdir: Path | None, inputs: Iterable[Artifact]
) -> Artifact:
    """Return the result of a stage if the store can keep it.

    Args:
        stage: The stage.
        origin: The plugin of the stage.
        made: The result of its function.
        workdir: The folder for its files; None in a process of non-zero rank, which writes no files.
        inputs: Its input artifacts.

    Raises:
        HooklineError: The result is not an artifact of a declared type, its file is missing or in another folder, or a
            value is not JSON. Names stage and distribution.
    """
    if not isinstance(made, Artifact) or type(made) not in stage.signature.provides:
        declared = " or ".join(kind.__name__ for kind in stage.signature.provides)
        raise _wrong_result(stage, origin, f"{shown(made)}, but its function declares {declared}")
    kind = with_article(type(made).__name__)
    given = [artifact.path for artifact in inputs]
    if workdir is not None and (problem := _path_problem(stage, made.path, workdir, given)):
        raise _wrong_result(stage, origin, f"{kind} {problem}")
    try:
        validate(decode(type(made), parse(json_text(encode(made)))))
    except (DecodeError, TypeError, ValueError, RecursionError) as error:
        raise _wrong_result(stage, origin, f"{kind} that cannot be stored: {reason_of(error)}") from error
    return made


def _path_problem(stage: Stage, path: object, workdir: Path, inputs: list[Path]) -> str:
    """Return why the path of a result is wrong. A stage without inputs can return a file of the user."""
    if not isinstance(path, Path):
        return f"with the path {shown(path)}, which is not a Path"
    if not path.is_absolute():
        return f"with the relative path {shown(str(path))}: give an absolute one"
    if not path.is_file():
        return f"without its file: '{path}' does not exist"
    inside = workdir.resolve() in path.resolve().parents
    if not inside and stage.signature.inputs and path not in inputs:
        return f"with the file '{path}' outside context.workdir"
    return ""


def _wrong_result(stage: Stage, origin: Origin, problem: str) -> HooklineError:
    return HooklineError(f"stage '{stage.name}' of {origin} returned {problem}", way_out(origin))
