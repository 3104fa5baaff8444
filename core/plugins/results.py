"""What a stage returned: the runner checks it before it enters the store, where every later run would meet it."""

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
        arguments: Of its function.
        parts: Kind and name of the parts that it uses.
        registry: Says who ships what.

    Raises:
        HooklineError: It raised SystemExit or KeyboardInterrupt by itself. Names stage and distribution.
    """
    origins = [registry.origin("stages", stage.name), *(registry.origin(kind, name) for kind, name in parts)]
    outside = next((origin for origin in origins if origin.outside), None)
    apart = results_kept_apart(outside.plugin) if outside else nullcontext()
    with ends_refused(f"stage '{stage.name}'", origins[0], registry), apart:
        return stage.run(**arguments)


@contextmanager
def ends_refused(what: str, author: Origin, registry: Parts) -> Iterator[None]:
    """Raise a HooklineError in place of a SystemExit or KeyboardInterrupt that code of a plugin raises by itself.

    Args:
        what: What the block runs, in messages.
        author: Who is named where the traceback has no outside plugin.
        registry: Says who ships what.

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
    """Return what a stage returned, once it is known that the store can keep it and give it back.

    Args:
        stage: The stage.
        origin: Who ships it.
        made: What its function returned.
        workdir: Where it was to write; None in a process of torchrun after the first, which alone writes.
        inputs: Its input artifacts.

    Raises:
        HooklineError: It is no artifact of a declared type, its file is missing or lies elsewhere, or a value in it is
            not JSON. Names stage and distribution.
    """
    if not isinstance(made, Artifact) or type(made) not in stage.signature.provides:
        declared = " or ".join(kind.__name__ for kind in stage.signature.provides)
        raise _wrong_result(stage, origin, f"{shown(made)}, and its function declares {declared}")
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
    """Warn of the outside plugin whose code fails with a bug in the block; the exception passes.

    Args:
        what: What the block runs, in messages.
        context: Gets the warning.
        parts, author: As for :func:`failure_line`; ``parts`` is called where something failed.
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
    """Return one line that names the outside plugin whose code failed with a bug; empty where there is none.

    Args:
        what: What failed, e.g. ``stage 'build'``.
        error: What it raised.
        registry: Says who ships what.
        parts: Kind and name of the parts that it used. Where the error arose in code of hookline, what one of them
            returned can be the cause.
        author: Who ships it; named where the traceback has no outside plugin.
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
    """Return one line that names the outside parts that were used; empty where there are none."""
    used = {(kind, name): registry.origin(kind, name) for kind, name in parts if name in registry.parts(kind)}
    outside = {part: origin for part, origin in used.items() if origin.outside}
    if not outside:
        return ""
    listed = ", ".join(f"{KINDS[kind][1]} '{name}' of {origin}" for (kind, name), origin in outside.items())
    return f"{what} failed ({type(error).__name__}: {reason_of(error)}) with what it got from {listed}"


def _path_problem(stage: Stage, path: object, workdir: Path, inputs: list[Path]) -> str:
    """What is wrong with the file. A stage without inputs, as ``load``, may give a file of the user."""
    if not isinstance(path, Path):
        return f"whose path is {shown(path)}, not a Path"
    if not path.is_absolute():
        return f"whose path {shown(str(path))} is not absolute"
    if not path.is_file():
        return f"whose file '{path}' it has not written"
    inside = workdir.resolve() in path.resolve().parents
    if not inside and stage.signature.inputs and path not in inputs:
        return f"whose file '{path}' does not lie in context.workdir"
    return ""


def _wrong_result(stage: Stage, origin: Origin, problem: str) -> HooklineError:
    return HooklineError(f"stage '{stage.name}' of {origin} returned {problem}", _way_out(origin))


def _way_out(origin: Origin) -> str:
    return f"plugins.disable=[{origin.plugin}] leaves it out" if origin.outside else "report it: this is a bug"
