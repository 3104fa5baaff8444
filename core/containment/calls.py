"""Call code of a plugin so that each failure names the plugin and ends only the runs that need it.

All code of plugins is called in :func:`contained`.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from types import FrameType, ModuleType
from typing import TypeAlias, TypeVar

from core.containment.output import output_of
from core.errors import HooklineError, error_chain, reason_of
from core.kinds.lookup import Origin, Parts
from core.process.signals import interruption_behind, received
from core.process.time_limit import OverdueError, within

LIMIT = 10.0
"""Time limit in seconds of a function that must be fast, e.g. ``available()``."""
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a run."""
_OURS = frozenset({"core", "pluggy", "importlib", "contextlib"})
ResultT = TypeVar("ResultT")
Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None


class Fault(Exception):  # noqa: N818 - never leaves a contained call
    """A mistake in something that a plugin declares or returns.

    Args:
        reason: The mistake, and what is correct.
        location: File and line of the mistake; empty if the traceback has them.
    """

    def __init__(self, reason: str, location: str = "") -> None:
        super().__init__(reason)
        self.location = location


class PluginError(HooklineError):
    """Code of a plugin failed. The message names plugin, distribution, version, file and line.

    Args:
        origin: The plugin.
        doing: The call that failed, e.g. ``hookline_stages``; empty if the reason names it.
        error: The exception.
        location: File and line, if the traceback has no line of the plugin.
    """

    def __init__(self, origin: Origin, doing: str, error: BaseException, location: str = "") -> None:
        reason = reason_of(error) if isinstance(error, HooklineError | Fault) else _typed_reason(error)
        where = location_in(error, origin, location) or (
            "not found" if isinstance(error, ImportError) else "unknown file"
        )
        text = f"{doing}: {reason}" if doing else reason
        super().__init__(f"{origin}: {text} ({where})", f"disable the plugin with plugins.disable=[{origin.plugin}]")
        self.origin = origin
        self.reason = f"{text} ({where})"


@contextmanager
def contained(origin: Origin, doing: str, location: str = "") -> Iterator[None]:
    """Convert exceptions of plugin code to a :class:`PluginError` and print its output with the plugin's name.

    Ctrl-C and signals of the user propagate. A KeyboardInterrupt or SystemExit of the code itself is converted.

    Args:
        origin: The plugin. The output of a plugin of hookline is printed unchanged.
        doing: The call, in messages.
        location: File and line of the code, for an error without them in its traceback.

    Raises:
        PluginError: The code raised an exception.
        HooklineError: The code reported a user error; the exception propagates unchanged.
    """
    before = received()
    try:
        with output_of(origin.plugin) if origin.outside else nullcontext():
            yield
    except (HooklineError, GeneratorExit):
        raise
    except BaseException as error:
        if interruption := interruption_behind(error, before):
            raise interruption from None if interruption is error else error
        raise PluginError(origin, doing, error, location) from error


def contained_outside(origin: Origin, doing: str) -> AbstractContextManager[None]:
    """Return :func:`contained` for an outside plugin; exceptions in code of hookline keep their traceback."""
    return contained(origin, doing) if origin.outside else nullcontext()


def within_limit(function: Callable[[], ResultT]) -> ResultT:
    """Call a function that must return within :data:`LIMIT` seconds, and return its result.

    Raises:
        Fault: The function did not return in time.
    """
    try:
        return within(LIMIT, function)
    except OverdueError:
        raise Fault(f"did not return within {LIMIT:g} s") from None


@contextmanager
def unchanged_state(module: str) -> Iterator[None]:
    """Restore the working directory, loaded modules and signal handlers after the block.

    Args:
        module: The module that the block runs.

    Raises:
        Fault: The block changed one of these.
    """
    folder, modules = _working_directory(), dict(sys.modules)
    handlers = {number: signal.getsignal(number) for number in HANDLED}
    try:
        yield
    finally:
        changes = [*_restored_folder(folder), *_restored_modules(modules), *_restored_handlers(handlers)]
    if changes:
        raise Fault(f"loading it {' and '.join(changes)}; the change was undone", module_location(module))


def source_location(item: object) -> str:
    """Return file and line of the definition of a function or class; empty if they are unknown."""
    with suppress(TypeError, OSError):
        item = inspect.unwrap(item) if callable(item) else item
        code = getattr(item, "__code__", None)
        if inspect.iscode(code):
            return f"{code.co_filename}:{code.co_firstlineno}"
        if isinstance(item, type):
            return f"{inspect.getsourcefile(item)}:{inspect.getsourcelines(item)[1]}"
    file = getattr(item, "__file__", None)
    return file if isinstance(file, str) else ""


def module_location(name: str) -> str:
    """Return file and first line of a module, or of its top-level package; empty if it has no file."""
    module = sys.modules.get(name)
    with suppress(ImportError, ValueError):
        spec = module.__spec__ if module else importlib.util.find_spec(name.partition(".")[0])
        return f"{spec.origin}:1" if spec and spec.origin else ""
    return ""


def location_in(error: BaseException, origin: Origin, location: str = "") -> str:
    """Return file and line where an error occurred.

    Args:
        error: The exception.
        origin: The plugin. The result is the innermost line of its package in the traceback of the error or its causes.
        location: The result if the tracebacks have no such line; if empty, the innermost line outside hookline.
    """
    if isinstance(error, Fault) and error.location:
        return error.location
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    links = [list(_lines(link)) for link in error_chain(error)]
    own = [location for lines in links for name, location in reversed(lines) if name == origin.package != ""]
    others = [location for name, location in reversed(links[0]) if name not in _OURS]
    return next(iter([*own, *filter(None, [location]), *others]), "")


def _lines(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield the top-level package and ``file:line`` of each call in a traceback, outermost first."""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if not frame.f_code.co_filename.startswith("<frozen importlib"):
            package = str(frame.f_globals.get("__name__")).partition(".")[0]
            yield package, f"{frame.f_code.co_filename}:{line}"


def blamed(error: BaseException, registry: Parts) -> Origin | None:
    """Return the outside plugin with the innermost call in the traceback of an error; None if there is none."""
    owners = {origin.package: origin for origin in registry.origins() if origin.outside}
    return next((owners[name] for name, _ in reversed(list(_lines(error))) if name in owners), None)


def _typed_reason(error: BaseException) -> str:
    text = reason_of(error)
    return text if text == type(error).__name__ else f"{type(error).__name__}: {text}"


def _working_directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - compared and restored as text
    except OSError:
        return ""


def _restored_folder(folder: str) -> Iterator[str]:
    if folder and _working_directory() != folder:
        os.chdir(folder)
        yield "changed the working directory"


def _restored_modules(modules: Mapping[str, ModuleType]) -> Iterator[str]:
    changed = [name for name, module in modules.items() if sys.modules.get(name) is not module]
    if changed:
        sys.modules.update({name: modules[name] for name in changed})
        yield f"removed or replaced other modules ({', '.join(changed[:3])})"


def _restored_handlers(handlers: Mapping[signal.Signals, Handler]) -> Iterator[str]:
    changed = [number for number, handler in handlers.items() if signal.getsignal(number) is not handler]
    for number in changed:
        signal.signal(number, handlers[number])
    if changed:
        yield f"replaced the handler of {', '.join(number.name for number in changed)}"
