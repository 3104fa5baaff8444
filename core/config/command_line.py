"""Check the arguments of the command line before Hydra reads them, and quote paths.

Hydra's grammar gives a meaning to ``( ) [ ] { } = # , ' ~ & $``, and paths can contain all of these. An argument is
quoted if the grammar cannot read it, or reads another value than the path of an existing file. Hydra gets all other
arguments unchanged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from core.config.argument_values import OUTPUTS, alternatives, check_names, depth, exists, is_text
from core.config.explain import unknown_option
from core.config.flags import read_flags
from core.config.wrong_values import renamed_option
from core.errors import LONGEST_LINE, HooklineError, nearest, shown, unknown
from core.files.paths import user_path
from core.files.quoting import command, hydra_quoted, shell_word
from core.kinds.stage import Stage
from core.plugins.option_nodes import option_fields
from core.plugins.registry import Registry

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

LONGEST_ARGUMENT = 16384
"""Maximum length of an argument; the time of Hydra's parser grows with the square of the length."""
MAX_DEPTH = 32
"""Maximum depth of nested brackets in a value; Hydra's parser is recursive."""
PLACES = frozenset({"data", "source", "store", "weights"})
"""Top-level options that name a file or a folder."""
STAGE = "stage"
"""The config group of the stages; an argument names its members."""
_NAME = re.compile(r"[\w./-]{1,200}")
"""Names of configurations."""


@dataclass(frozen=True)
class CommandLine:
    """Arguments for Hydra.

    Attributes:
        arguments: Flags and overrides.
        notes: One line for each ambiguous argument, with its interpretation.
    """

    arguments: tuple[str, ...]
    notes: tuple[str, ...] = ()


def prepared(arguments: Sequence[str], registry: Registry) -> CommandLine:
    """Check the arguments and quote the paths among them.

    Raises:
        HooklineError: A flag is unknown, an argument cannot be read, or the name of a stage is not a name.
    """
    flags = read_flags(arguments)
    others = [item for item in arguments if item not in flags.overrides]
    if flags.shell_completion:
        return CommandLine((*flags.overrides, *others))  # argparse wants all overrides in one place
    sweep = flags.multirun or "hydra.mode=MULTIRUN" in flags.overrides
    reader = _ArgumentReader(tuple(arguments), sweep=sweep, registry=registry)
    overrides = [reader.read(item) for item in flags.overrides]
    reader.check_groups()
    return CommandLine((*overrides, *others), tuple(reader.notes))


class _ArgumentReader:
    """Checks and quotes the arguments one after the other."""

    def __init__(self, arguments: tuple[str, ...], *, sweep: bool, registry: Registry) -> None:
        self.notes: list[str] = []
        self._arguments, self._sweep, self._registry = arguments, sweep, registry
        self._options = dict(option_fields(registry))
        self._paths = PLACES | OUTPUTS | {name for name, item in self._options.items() if item.metadata.get("place")}
        self._nodes = {name.rpartition(".")[0] for name in self._options} - {""}
        self._parser = OverridesParser.create()
        self._chosen: list[Override] = []

    def read(self, argument: str) -> str:
        """Return the argument for Hydra."""
        name, equals, text = argument.partition("=")
        key = name.lstrip("+")
        if renamed := renamed_option(key.removeprefix("~")):
            raise renamed
        if not equals and not argument.startswith("~"):
            raise self._no_value(argument)
        if not key:
            raise HooklineError(f"{shown(argument)} has no name before the '='", "write options as name=value")
        if not text and key in self._options and self._options[key].type not in {str, "str"}:
            raise HooklineError(f"{key}= has no value", f"write {key}=<value>, or omit the option for the default")
        if key in OUTPUTS and text.startswith("~"):  # Hydra would make a folder of this name
            text = str(user_path(text))
            argument = f"{name}={text}"
        literal = f"{name}={hydra_quoted(text)}"
        if len(argument) > LONGEST_ARGUMENT:
            raise HooklineError(
                f"the value of {key[:80]} has {len(text)} characters; the maximum is {LONGEST_ARGUMENT}",
                "write a long list into a file",
            )
        if depth(text) > MAX_DEPTH:
            raise HooklineError(
                f"the value of {key[:80]} has more than {MAX_DEPTH} nested brackets", "give a plain value or a list"
            )
        if key in self._paths:
            check_names(key, text)
        found = self._parsed(argument)
        if found is None:
            if key in self._paths or ("/" in text and exists(text)):
                return literal
            raise self._unreadable(argument, literal)
        if found.is_add() and key not in self._options and key.rpartition(".")[0] in self._nodes:
            raise unknown_option(key, self._registry)
        if key == STAGE or "/" in key:
            self._chosen.append(found)
        if is_text(found, text):
            return argument
        sweeps = found.is_sweep_override()
        if (key in self._paths or "/" in text) and exists(text):
            if sweeps and self._sweep:
                self.notes.append(f"'{text}' exists and is read as one path, not as a sweep")
            return literal
        if sweeps and key in OUTPUTS and not (self._sweep and key == "store"):
            return literal
        if sweeps and not self._sweep:
            raise self._stray_sweep(key, name, text, literal)
        return argument

    def check_groups(self) -> None:
        """Refuse values of config groups that are not names, on which Hydra fails with an unclear message.

        Raises:
            HooklineError: Gives the possible names.
        """
        for item in self._chosen:
            for value in alternatives(item):
                names = value if isinstance(value, list) else [value]
                for name in names:
                    if not isinstance(name, str) or not _NAME.fullmatch(name):
                        raise self._no_name(item.key_or_group, name)
        if sum(item.key_or_group == STAGE for item in self._chosen) > 1:
            raise HooklineError(f"{STAGE}= is given more than once", f"give it once: +{STAGE}=[load,export]")

    def _no_name(self, group: str, value: object) -> HooklineError:
        name = "null" if value is None else value
        if group == STAGE:
            return unknown(group, name, self._registry.all(Stage))
        return HooklineError(f"{group}={shown(name)} does not name a configuration", f"write {group}=<name>")

    def _parsed(self, argument: str) -> Override | None:
        """Return an argument as Hydra's grammar reads it; None if the grammar cannot read it."""
        try:
            return self._parser.parse_override(argument)
        except (HydraException, ValueError, RecursionError):  # numbers of 5000 digits, lists nested 1000 deep
            return None

    def _no_value(self, argument: str) -> HooklineError:
        """Return the error for an argument without ``=``, which may be the name of a stage, an option or a file."""
        bare = argument.lstrip("+")
        meant = {name: f"{name}=<value>" for name in self._options} | {
            name: f"+stage={name}" for name in self._registry.all(Stage)
        }
        if os.path.lexists(os.path.expanduser(argument)):  # noqa: PTH111
            path = hydra_quoted(argument)
            hint = (
                f"did you mean {' or '.join(shell_word(f'{word}={path}') for word in ('source', 'weights', 'data'))}?"
            )
        elif similar := nearest(bare, meant):
            hint = f"did you mean {meant[similar[0]]}?"
        else:
            hint = "write options as name=value, stages as +stage=<name>"
        return HooklineError(f"{shown(argument)} has no '='", hint)

    def _unreadable(self, argument: str, literal: str) -> HooklineError:
        """Return the error for a value that Hydra's grammar cannot read, with a command that it can read."""
        name, _, text = argument.partition("=")
        try:
            self._parser.parse_override(f"{name}=1")
        except HydraException:
            return HooklineError(f"{shown(name)} is not the name of an option", "write options as name=value")
        if name not in {*self._options, STAGE} and not name.startswith(("+", "~", "hydra")):
            return unknown_option(name, self._registry)
        if text.strip("+-").isdecimal():
            return HooklineError(f"{name}= is a number of {len(text)} digits", "give a smaller number")
        return HooklineError(
            f"the value of {name}= cannot be read: {shown(text)}",
            f"quote text: {self._line(argument, literal)}",
        )

    def _stray_sweep(self, key: str, name: str, text: str, literal: str) -> HooklineError:
        """Return the error for several values in a single run."""
        kind = str(self._options[key].type) if key in self._options else "list" if key == STAGE else ""
        ways = ["for a sweep add -m"]
        if "Any" in kind or "list" in kind:
            parts = ",".join(hydra_quoted(part) for part in text.split(","))
            ways.append(f"for a list write {shell_word(f'{name}=[{parts}]')}")
        if key in self._paths:
            ways.append(f"for one path with this name write {shell_word(literal)}")
        return HooklineError(f"{name}={shown(text)} has several values, as for a sweep", "; ".join(ways))

    def _line(self, argument: str, literal: str) -> str:
        """Return the whole command with the argument quoted, or only the argument if the message would be too long."""
        line = command([literal if item == argument else item for item in self._arguments])
        return line if len(line) <= LONGEST_LINE // 2 else shell_word(literal)
