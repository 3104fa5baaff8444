"""The arguments that the functions of a descriptor can take, by the name of the field.

As an implementation of a hook does, such a function has parameters for the arguments that it needs and leaves out the
others: ``check(config)`` and ``check(config, context)`` are both a ``Stage.check``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import TypeVar

from core.errors import unknown
from core.storage.serial import DataclassInstance

ResultT = TypeVar("ResultT")

ARGUMENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "available": (),
        "load": ("options",),
        "check_options": ("options",),
        "check_device": ("device",),
        "head": ("facts", "layout"),
        "check_head": ("facts",),
        "recognise": ("signature",),
        "operators": ("options",),
        "calibrates": ("options",),
        "check_build": ("options", "request"),
        "portable": ("options",),
        "select": ("config", "context"),
        "fingerprint": ("config", "context"),
        "check": ("config", "context"),
        "known": ("config", "inputs", "context"),
        "check_inputs": ("config", "inputs", "context"),
        "families": ("config", "inputs", "context"),
        "settle": ("config", "inputs", "context"),
        "given": ("config",),
        "resumable": ("config",),
        "supplement": ("config", "artifact", "inputs", "context"),
    }
)
"""Arguments in the order of a call."""


def complete_functions(descriptor: DataclassInstance, title: str) -> None:
    """Let every function of a new descriptor be called with all of its arguments.

    Args:
        descriptor: A ``Stage`` or ``Part`` that is being initialised.
        title: What a message calls it.

    Raises:
        TypeError: A function has a parameter of another name.
    """
    for item in fields(descriptor):
        function = getattr(descriptor, item.name)
        if item.name in ARGUMENTS and callable(function):
            complete = taking(ARGUMENTS[item.name], function, f"{item.name} of {title}")
            object.__setattr__(descriptor, item.name, complete)


def taking(arguments: tuple[str, ...], function: Callable[..., ResultT], title: str) -> Callable[..., ResultT]:
    """Return a function that takes all ``arguments`` and gives ``function`` those that it has parameters for.

    Args:
        arguments: Their names, in the order of a call.
        function: Returned as it is where it takes them all, in this order.
        title: What a message calls it.

    Raises:
        TypeError: It has a parameter of another name.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # of a function that is written in C
        return function
    single = [item for item in parameters if item.kind not in {item.VAR_POSITIONAL, item.VAR_KEYWORD}]
    if strange := [item.name for item in single if item.name not in arguments and item.default is item.empty]:
        raise TypeError(f"{title}: {unknown('parameter', strange[0], arguments)}")
    wanted = tuple(item.name for item in single if item.name in arguments)
    if wanted == arguments:
        return function

    def call(*given: object, **named: object) -> ResultT:
        all_of_them = dict(zip(arguments, given, strict=False)) | named
        return function(**{name: all_of_them[name] for name in wanted if name in all_of_them})

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    complete = inspect.Signature([inspect.Parameter(name, kind) for name in arguments])
    functools.update_wrapper(call, function, updated=())
    call.__signature__ = complete  # type: ignore[attr-defined]  # read by inspect.signature
    return call
