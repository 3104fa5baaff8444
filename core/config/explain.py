"""Explain errors of Hydra and OmegaConf in one line, with the nearest names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, InterpolationResolutionError, OmegaConfBaseException

from core.config.wrong_values import renamed_option, wrong_value
from core.errors import HooklineError, error_chain, nearest, shown, unknown
from core.kinds.stage import Stage
from core.kinds.table import KINDS, PART_KINDS
from core.options.top_level import TopLevelOptions
from core.plugins.option_nodes import option_names
from core.plugins.registry import Registry

HELP = "`python -m core.run --help` shows the options"
LONGEST_HINT = 160
"""Maximum length of a hint that lists all options of a part; a longer hint refers to their documentation."""
_VALUE_OF_GROUP = re.compile(r"is not a subclass of (\w+)\. value:")
"""OmegaConf's message for a value in place of a group of options."""
_OPTIONS_BELOW = re.compile(r"Cannot convert '(?:dict|DictConfig)'")
"""OmegaConf's message for a group of options in place of a value."""
_NOT_SET = re.compile(r"Could not override '([^']+)'")
"""Hydra's message for an option that it cannot set."""
_UNDECLARED = re.compile(r"Key '[^']*' not in '\w+'")
"""OmegaConf's message for a key that a structured config does not have."""


@contextmanager
def explained(registry: Registry) -> Iterator[None]:
    """Convert configuration errors in the block to user errors.

    Raises:
        HooklineError: The error that :func:`explain` returns; all other exceptions pass unchanged.
    """
    try:
        yield
    except Exception as error:
        mistake = explain(error, registry)
        if mistake is None:
            raise
        raise mistake from error


def explain(error: BaseException, registry: Registry) -> HooklineError | None:
    """Return the user error behind a configuration error; None if there is no such mistake."""
    chain = list(error_chain(error))
    for link in chain:
        if isinstance(link, HooklineError):
            return link
    for link in chain:
        if isinstance(link, MissingConfigException) and link.missing_cfg_file:
            return _missing_config(link, registry)
    for link in chain:
        if found := _undeclared(link, _overridden(chain), registry):
            return found
    for link in chain:
        if found := _wrong_option(link, registry):
            return found
    for link in chain:
        if isinstance(link, OmegaConfBaseException) and (wrong := wrong_value(link, registry)):
            return wrong
    for kind in (OverrideParseException, OmegaConfBaseException, HydraException):
        for link in chain:
            if isinstance(link, kind):
                return HooklineError(_one_line(link), HELP)
    return None


def _missing_config(error: MissingConfigException, registry: Registry) -> HooklineError:
    """Return the error for the name of a configuration that neither a YAML file nor a plugin has."""
    group, _, name = str(error.missing_cfg_file).rpartition("/")
    if renamed := renamed_option(group):
        return renamed
    if group == "stage":
        return registry.not_found("stages", name)
    if error.options is not None:
        return unknown(group, name, error.options)
    return HooklineError(
        f"there is no configuration file '{error.missing_cfg_file}'", "add its folder with --config-dir=<folder>"
    )


def _overridden(chain: Iterable[BaseException]) -> str:
    """Return the option on the command line that Hydra could not set; empty for other errors."""
    return next((match.group(1) for link in chain if (match := _NOT_SET.search(str(link)))), "")


def _undeclared(error: BaseException, overridden: str, registry: Registry) -> HooklineError | None:
    """Return the error for an option in a YAML file or dictionary that does not exist; None for other errors.

    Args:
        error: The error; it names the first key that does not exist.
        overridden: The full option, if it is on the command line.
        registry: For the options.
    """
    if isinstance(error, ConfigKeyError | ConfigAttributeError) and error.full_key and _UNDECLARED.search(str(error)):
        key = str(error.full_key)
        return unknown_option(overridden if overridden.startswith(f"{key}.") else key, registry)
    return None


def _wrong_option(error: BaseException, registry: Registry) -> HooklineError | None:
    text = str(error)
    if name := _overridden([error]):
        if name == "stage":
            return HooklineError("'stage=' has no plus sign", "write +stage=<name>")
        return unknown_option(name, registry)
    if match := re.search(r"Could not delete (?:from config\. )?'([^']+)'", text):
        return HooklineError(f"'~{match.group(1)}' would remove an option, which is not possible", "omit it")
    if match := re.search(r"force-add of config groups is not supported: '\++([^']+)'", text):
        return HooklineError(f"'++{match.group(1)}' has one plus sign too many", f"write +{match.group(1)}")
    if text.startswith("Config group override must be"):
        return HooklineError("the value of a configuration group must be the name of one of its files", HELP)
    if isinstance(error, InterpolationResolutionError):
        missing = re.search(r"Interpolation key '([^']+)' not found", text)
        if missing and (renamed := renamed_option(missing.group(1))):
            return renamed
        return HooklineError(
            f"{error.full_key or 'an option'} has a reference that cannot be resolved: {text.splitlines()[0]}",
            "${name} is the value of another option; write \\${ for a literal '${'",
        )
    if isinstance(error, OmegaConfBaseException) and (mistake := _word_for_group(error, registry)):
        return mistake
    if isinstance(error, OmegaConfBaseException) and "is not Optional" in text:
        return HooklineError(f"{error.full_key}=null is not possible", "give a value, or omit the option")
    if isinstance(error, OmegaConfBaseException) and "is not a ListConfig, list or tuple" in text:
        return HooklineError(f"{error.full_key} takes a list", f"write {error.full_key}=[<value>,<value>]")
    return None


def _word_for_group(error: OmegaConfBaseException, registry: Registry) -> HooklineError | None:
    """Return the error for a value in place of a group, or for a group in place of a value; None for other errors."""
    name = str(error.full_key or "")
    if match := _VALUE_OF_GROUP.search(str(error)):
        group = _groups(registry).get(match.group(1)) or name or match.group(1)
        if renamed := renamed_option(group):
            return renamed
        inside = [option for option in option_names(registry) if option.startswith(f"{group}.")][:3]
        return HooklineError(
            f"'{group}' is a group of options and has no value", f"set its options: {', '.join(inside)}, ..."
        )
    if name in {item.name for item in fields(TopLevelOptions)} and _OPTIONS_BELOW.search(str(error)):
        return HooklineError(f"'{name}' is not a group of options", f"write {name}=<value>; {HELP}")
    return None


def _groups(registry: Registry) -> dict[str, str]:
    """Return the groups of options by the name of their class, which OmegaConf's messages about files contain."""
    found = {stage.signature.config.__name__: stage.name for stage in registry.all(Stage).values()}
    for kind, descriptor in PART_KINDS.items():
        named = registry.all(descriptor).items()
        found |= {part.options.__name__: f"{kind}.{name}" for name, part in named if fields(part.options)}
    return found


def unknown_option(name: str, registry: Registry) -> HooklineError:
    """Return the error for an unknown option, with similar options, or for a renamed option, with its new name."""
    if renamed := renamed_option(name):
        return renamed
    if name.startswith("hydra."):
        hint = "`python -m core.run --cfg hydra` shows the options of Hydra"
        return HooklineError(f"unknown option {shown(name)}", hint)
    if missing := _missing_owner(name, registry):
        return missing
    known = list(option_names(registry))
    head, _, tail = name.rpartition(".")
    siblings = {option.rpartition(".")[2]: option for option in known if option.rpartition(".")[0] == head}
    candidates = {item.name: item.name for item in fields(TopLevelOptions)} | siblings
    meant = [candidates[item] for item in nearest(tail, candidates)] or nearest(name, known)
    question = f"did you mean {' or '.join(meant)}? " if meant else ""
    stage = head if head in registry.all(Stage) else ""
    listing = f"{question}possible: {', '.join(siblings)}"
    if siblings and head and not stage and len(listing) <= LONGEST_HINT:
        return HooklineError(f"unknown option {shown(name)}", listing)
    what = f"`+stage={stage} --help` explains those of {stage}" if stage else "docs/configuration.md lists all options"
    return HooklineError(f"unknown option {shown(name)}", question + what)


def _missing_owner(name: str, registry: Registry) -> HooklineError | None:
    """Return the error for an option of a part that is not installed or has no options; None for other options."""
    kind, _, rest = name.partition(".")
    part = rest.partition(".")[0]
    if kind not in PART_KINDS or not part:
        return None
    owner = registry.all(PART_KINDS[kind]).get(part)
    if owner is None:
        return registry.not_installed(name, kind, part)
    if not fields(owner.options):
        return HooklineError(f"unknown option {shown(name)}", f"the {KINDS[kind].noun} '{part}' has no options")
    return None


def _one_line(error: BaseException) -> str:
    if isinstance(error, OverrideParseException):
        return f"'{error.override}' cannot be read: {str(error).splitlines()[0]}"
    lines = [line.strip() for line in str(error).splitlines()]
    key = next((line.partition(":")[2].strip() for line in lines if line.startswith("full_key:")), "")
    text = " ".join(
        line for line in lines if line and not line.startswith(("full_key:", "object_type", "reference_type"))
    )
    return f"{key}: {text}" if key and key not in text else text
