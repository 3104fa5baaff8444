"""``python -m core.run +stage=...``: the command line (console script ``hookline``).

Results are printed on standard output, everything else on standard error; with ``--json`` standard output has one line
per run, the summary. Exit codes: 0 success, 1 a bug (with a traceback), 2 a user error (one line), 130 ended by
Ctrl-C, 143 ended by another signal.
"""

from __future__ import annotations

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports below prints no traceback

import sys

from core.process.garbage import collection_paused

with collection_paused():
    from core.process.installation import overwritten_file, replaced_package, unsupported_system

if __name__ == "__main__" and (problem := unsupported_system()):
    print(f"error: {problem}", file=sys.stderr)
    sys.exit(2)

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

with collection_paused():
    from core.errors import HooklineError
    from core.execution.outcome import INTERRUPTED, TERMINATED, USER_ERROR, ReportedError, outcome
    from core.execution.setup import disabled_plugins, plugins_without
    from core.files.paths import check_working_directory
    from core.files.regular_file import disk_errors
    from core.masking import masked_yaml
    from core.plugins.discovery import BUILTINS, Plugins
    from core.process.environment import RANKS, set_cache_folders, set_libraries
    from core.process.signals import Terminated, end_by_exception
    from core.process.streams import open_streams, text_stream
    from core.storage.serial import json_text
    from core.version import __version__

_NO_RUN_DIRECTORY = ["hydra.output_subdir=null", "hydra.run.dir=."]
"""Overrides of non-zero ranks: Hydra makes no directory."""

set_libraries()


def main() -> int:
    """Run the command line in ``sys.argv`` and return the exit code."""
    open_streams()
    if "--json" not in sys.argv[1:]:
        return _main()
    sys.argv = [argument for argument in sys.argv if argument != "--json"]
    with _summaries_on_stdout():
        return _main()


def _main() -> int:
    arguments = sys.argv[1:]
    end_by_exception(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    try:
        set_cache_folders()
        with collection_paused():
            plugins = _plugins(arguments)
        if not arguments or {"-h", "--help"} & set(arguments):
            from core.config.usage import usage

            print(usage(arguments, plugins.registry))
            return 0
        if "--version" in arguments:
            print(f"hookline {__version__}")
            return 0
        sys.argv[1:] = _prepared(arguments, plugins)
        return _through_hydra(plugins)
    except HooklineError as error:
        print(f"error: {error}", file=sys.stderr)
        outcome.error = error
        return USER_ERROR
    except KeyboardInterrupt as end:
        if not outcome.reported:
            print(str(end) or "interrupted", file=sys.stderr)
        outcome.error = end
        return TERMINATED if isinstance(end, Terminated) else INTERRUPTED


def _plugins(arguments: Sequence[str]) -> Plugins:
    """Load the plugins; raise an error if another distribution has damaged this installation."""
    if problem := replaced_package():
        raise HooklineError(problem)
    plugins = plugins_without(disabled_plugins(arguments))
    ours_broken = any(info.state == "broken" and info.name in BUILTINS for info in plugins.infos)
    if ours_broken and (problem := overwritten_file()):
        raise HooklineError(problem)
    return plugins


def _prepared(arguments: Sequence[str], plugins: Plugins) -> tuple[str, ...]:
    from core.config.command_line import prepared

    check_working_directory()
    line = prepared(arguments, plugins.registry)
    for note in line.notes if RANKS.leader else ():
        print(note, file=sys.stderr)
    return line.arguments


def _through_hydra(plugins: Plugins) -> int:
    with collection_paused():
        import hydra

        from core.config.compose import register
        from core.config.explain import explained
        from core.execution.job import job
        from core.execution.run_directory import remember_directories

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra passes exceptions on; this module reports them in one line
    register(plugins)
    outcome.clear()
    if not RANKS.leader:
        sys.argv += _NO_RUN_DIRECTORY
    with explained(plugins.registry):
        try:
            with disk_errors(), remember_directories(), masked_yaml():
                hydra.main(version_base="1.3", config_path="pkg://conf", config_name="config")(job)()
        except ReportedError as reported:
            return reported.code
    return outcome.code


@contextmanager
def _summaries_on_stdout() -> Iterator[None]:
    """Print one line per run to standard output, its summary, and everything else to standard error."""
    from core.files.quoting import command

    stdout = os.dup(1)
    os.dup2(2, 1)  # libraries and subprocesses write to the descriptor itself
    try:
        yield
    finally:
        sys.stdout.flush()
        with text_stream(stdout, "utf-8") as stream:
            stream.writelines(json_text(content) + "\n" for content in outcome.contents(command(sys.argv[1:])))


if __name__ == "__main__":
    sys.exit(main())
