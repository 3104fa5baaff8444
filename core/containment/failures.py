"""Name the plugin that fails: in the error of a run, or in a warning before a traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.containment.calls import Fault, PluginError, blamed, location_in, module_location
from core.errors import HooklineError, reason_of
from core.kinds.lookup import Origin, Parts
from core.kinds.table import KINDS
from core.process.signals import interruption_behind, received

if TYPE_CHECKING:
    from core.kinds.context import RunContext


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
            f"{what} was ended by code of {origin}, which raised {type(error).__name__} ({location_in(error, origin)})",
            way_out(origin),
        ) from error


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
        f" ({location_in(error, found)}); {way_out(found)}"
    )


def _suspicion(what: str, error: BaseException, registry: Parts, parts: Iterable[tuple[str, str]]) -> str:
    """Return one line that names the outside parts that were used; empty if there are none."""
    used = {(kind, name): registry.origin(kind, name) for kind, name in parts if name in registry.parts(kind)}
    outside = {part: origin for part, origin in used.items() if origin.outside}
    if not outside:
        return ""
    listed = ", ".join(f"{KINDS[kind].noun} '{name}' of {origin}" for (kind, name), origin in outside.items())
    return f"{what} failed ({type(error).__name__}: {reason_of(error)}); it used {listed}"


def way_out(origin: Origin) -> str:
    """Return the remedy for a failure of a plugin."""
    if origin.outside:
        return f"disable the plugin with plugins.disable=[{origin.plugin}]"
    return "this is a bug: please report it"


@contextmanager
def faults_of(kind: str, name: str, registry: Parts) -> Iterator[None]:
    """Convert a fault in the block to an error that names the plugin of a part.

    Args:
        kind: Kind of the part, e.g. ``runtimes``.
        name: Name of the part.
        registry: For the plugin of the part.

    Raises:
        PluginError: The block raised a :class:`Fault`.
    """
    try:
        yield
    except Fault as fault:
        origin = registry.origin(kind, name)
        raise PluginError(origin, f"{KINDS[kind].noun} '{name}'", fault, module_location(origin.module)) from fault
