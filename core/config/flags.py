"""Read the flags of the command line before Hydra, so that a mistake gives one line and not a usage text."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from core.errors import HooklineError, shown, unknown
from core.files.quoting import shell_word
from core.options.top_level import TopLevelOptions

FLAGS = (
    "--help", "--version", "--hydra-help", "--multirun", "--run", "--cfg", "--resolve", "--package", "--info",
    "--config-dir", "--config-name", "--shell-completion", "--json",
)  # fmt: skip


def read_flags(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the flags as Hydra reads them; ``overrides`` has all other arguments.

    Raises:
        HooklineError: A flag is unknown or has no value, or two flags exclude each other.
    """
    parser: argparse.ArgumentParser = get_args_parser()
    parser.allow_abbrev = False
    parser.error = _refuse  # type: ignore[method-assign]
    flags, unknown_flags = parser.parse_known_intermixed_args(list(arguments))
    if unknown_flags:
        raise _unknown_flag(unknown_flags[0])
    if flags.experimental_rerun:
        raise HooklineError(
            "--experimental-rerun is not supported: it reads a pickle, which can run code",
            "repeat the command in the summary.json of the run",
        )
    modes = [
        name
        for name in ("run", "multirun", "cfg", "info", "shell_completion")
        if getattr(flags, name) not in (None, False)
    ]
    if len(modes) > 1:
        raise HooklineError(f"--{modes[0]} and --{modes[1]} cannot be combined", "give one of them")
    if flags.resolve and not flags.cfg:
        raise HooklineError("--resolve works only with --cfg", "write --cfg job --resolve")
    if flags.multirun and not (flags.overrides or flags.config_name or flags.config_dir):
        raise HooklineError("nothing to do: no stage is requested", "give +stage=<name>; --help lists the stages")
    return flags


def _refuse(message: str) -> NoReturn:
    """Raise the message of argparse about a flag, e.g. a missing value, as a user error."""
    raise HooklineError(message, "write options as name=value; --hydra-help explains the flags")


def _unknown_flag(given: str) -> HooklineError:
    """Return the error for an unknown flag, also for an option with dashes, e.g. ``--imgsz=320``."""
    name, equals, value = given.partition("=")
    bare = name.lstrip("-").replace("-", "_")
    bare = "+stage" if bare == "stage" else bare
    if equals or bare.lstrip("+") in TopLevelOptions.__dataclass_fields__:
        return HooklineError(f"unknown flag {shown(name)}", f"options have no dashes: {shell_word(f'{bare}={value}')}")
    return unknown("flag", name, FLAGS)
