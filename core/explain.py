"""Hydra's and OmegaConf's errors in one line, with the nearest names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from core.compose import Words
from core.errors import HooklineError, nearest, shown
from core.registry import KINDS, Registry
from core.wrong_values import wrong_value


def explain(error: BaseException, registry: Registry) -> HooklineError | None:
    """The user's mistake behind a configuration error; None where it is not one."""
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, HooklineError):
            return link
    for link in chain:
        if isinstance(link, MissingConfigException) and link.missing_cfg_file:
            group, _, name = str(link.missing_cfg_file).rpartition("/")
            if group in {"stage", "graft"}:
                return registry.not_found(f"{group}s", name)
    for link in chain:
        if found := _wrong_option(str(link), registry):
            return found
    for link in chain:
        if isinstance(link, OmegaConfBaseException) and (wrong := wrong_value(link, registry)):
            return wrong
    for kind in (OverrideParseException, OmegaConfBaseException, HydraException):
        for link in chain:
            if isinstance(link, kind):
                return HooklineError(_one_line(link), "`python -m core.run --help` shows the options")
    return None


def _wrong_option(text: str, registry: Registry) -> HooklineError | None:
    if match := re.search(r"Could not override '([^']+)'", text):
        name = match.group(1)
        if name == "stage":
            return HooklineError("stages are added to a run: 'stage=' needs a plus sign", "write +stage=<name>")
        return unknown_option(name, registry)
    return None


def unknown_option(name: str, registry: Registry) -> HooklineError:
    """Return the error for an option that does not exist, with similar options of the same stage or part first."""
    known = list(option_names(registry))
    head, _, tail = name.rpartition(".")
    siblings = {option.rpartition(".")[2]: option for option in known if option.rpartition(".")[0] == head}
    meant = [siblings[item] for item in nearest(tail, siblings)] or nearest(name, known)
    question = f"did you mean {' or '.join(meant)}? " if meant else ""
    stage = head if head in registry.parts("stages") else ""
    if siblings and head and not stage:
        return HooklineError(f"unknown option {shown(name)}", f"{question}possible: {', '.join(siblings)}")
    what = f"`+stage={stage} --help` lists those of {stage}" if stage else "docs/configuration.md lists all options"
    return HooklineError(f"unknown option {shown(name)}", question + what)


def option_names(registry: Registry) -> Iterator[str]:
    """Every option that can be set, dotted."""
    yield from (name for name in Words.__dataclass_fields__ if name not in {"plugins", "stage"})
    yield "plugins.disable"
    for stage in registry.stages():
        yield from _dotted(stage.name, stage.signature.config)
    for kind in KINDS:
        for name, part in registry.parts(kind).items() if kind != "stages" else ():
            yield from _dotted(f"{kind}.{name}", part.options)


def _dotted(prefix: str, config: type[Any]) -> Iterator[str]:
    for item in fields(config):
        value = item.default_factory() if callable(item.default_factory) else item.default
        if is_dataclass(value) and not isinstance(value, type):
            yield from _dotted(f"{prefix}.{item.name}", type(value))
        else:
            yield f"{prefix}.{item.name}"


def _one_line(error: BaseException) -> str:
    if isinstance(error, OverrideParseException):
        return f"'{error.override}' cannot be read: {str(error).splitlines()[0]}"
    lines = [line.strip() for line in str(error).splitlines()]
    key = next((line.partition(":")[2].strip() for line in lines if line.startswith("full_key:")), "")
    text = " ".join(
        line for line in lines if line and not line.startswith(("full_key:", "object_type", "reference_type"))
    )
    return f"{key}: {text}" if key and key not in text else text


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
