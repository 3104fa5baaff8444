"""Call stages, check their results before these enter the store, and name the plugin that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Artifact
from core.errors import HooklineError, reason_of, shown
from core.kinds.lookup import Origin, Parts
from core.kinds.stage import Stage
from core.kinds.table import KINDS
from core.plugins.containment import blamed, place_in
from core.plugins.output import results_kept_apart
from core.process.signals import interruption_behind, received
from core.storage.serial import DecodeError, decode, encode, json_text, parse
from core.storage.validation import validate

if TYPE_CHECKING:
    from core.kinds.context import RunContext


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


@contextmanager
def ends_refused(what: str, author: Origin, registry: Parts) -> Iterator[None]:
    """Convert a SystemExit or KeyboardInterrupt that code of a plugin itself raises to a HooklineError.

    Args:
        what: The work of the block, in messages.
        author: The plugin to name if the traceback has no outside plugin.
        registry: For the outside plugins.

    Raises:
        HooklineError: Names ``what`` and the distribution.
    """
    before = received()
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        if interruption := interruption_behind(error, before):
            raise interruption from None
        origin = blamed(error, registry) or author
        raise HooklineError(
            f"{what} was ended by code of {origin}, which raised {type(error).__name__} ({place_in(error, origin)})",
            _way_out(origin),
        ) from error


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
    given = [artifact.path for artifact in inputs]
    if workdir is not None and (problem := _path_problem(stage, made.path, workdir, given)):
        raise _wrong_result(stage, origin, f"a {type(made).__name__} {problem}")
    try:
        validate(decode(type(made), parse(json_text(encode(made)))))
    except (DecodeError, TypeError, ValueError, RecursionError) as error:
        raise _wrong_result(
            stage, origin, f"a {type(made).__name__} that cannot be stored: {reason_of(error)}"
        ) from error
    return made


@contextmanager
def failures_named(
    what: str, context: RunContext, parts: Callable[[], Iterable[tuple[str, str]]], author: Origin | None = None
) -> Iterator[None]:
    """Warn of the outside plugin that caused an exception in the block; the exception passes.

    Args:
        what: The work of the block, in messages.
        context: Gets the warning.
        parts, author: As for :func:`failure_line`; ``parts`` is called only after a failure.
    """
    try:
        yield
    except BaseException as error:
        if line := failure_line(what, error, context.registry, parts(), author):
            context.warn(line)
        raise


def failure_line(
    what: str,
    error: BaseException,
    registry: Parts,
    parts: Iterable[tuple[str, str]] = (),
    author: Origin | None = None,
) -> str:
    """Return one line that names the outside plugin that caused an exception; empty if no plugin did.

    Args:
        what: The work that failed, e.g. ``stage 'build'``.
        error: The exception.
        registry: For the outside plugins.
        parts: Kind and name of the parts that were used. If the error occurred in code of hookline, a result of such a
            part can be the cause.
        author: The plugin to name if the traceback has no outside plugin.
    """
    if isinstance(error, HooklineError | KeyboardInterrupt):
        return ""
    found = blamed(error, registry) or (author if author and author.outside else None)
    if found is None:
        return _suspicion(what, error, registry, parts)
    return (
        f"{what} failed in code of {found}: {type(error).__name__}: {reason_of(error)}"
        f" ({place_in(error, found)}); {_way_out(found)}"
    )


def _suspicion(what: str, error: BaseException, registry: Parts, parts: Iterable[tuple[str, str]]) -> str:
    """Return one line that names the outside parts that were used; empty if there are none."""
    used = {(kind, name): registry.origin(kind, name) for kind, name in parts if name in registry.parts(kind)}
    outside = {part: origin for part, origin in used.items() if origin.outside}
    if not outside:
        return ""
    listed = ", ".join(f"{KINDS[kind].noun} '{name}' of {origin}" for (kind, name), origin in outside.items())
    return f"{what} failed ({type(error).__name__}: {reason_of(error)}); it used {listed}"


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
    return HooklineError(f"stage '{stage.name}' of {origin} returned {problem}", _way_out(origin))


def _way_out(origin: Origin) -> str:
    return f"plugins.disable=[{origin.plugin}] leaves it out" if origin.outside else "this is a bug: please report it"
