"""Arguments of the functions of descriptors: each function declares only the parameters that it needs.

``check(config)`` and ``check(config, context)`` are both valid for ``Stage.check``, as for implementations of hooks.
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
"""Arguments by field of the descriptor, in the order of a call."""


def complete_functions(descriptor: DataclassInstance, title: str) -> None:
    """Wrap every function of a new descriptor so that it accepts all arguments of its field.

    Args:
        descriptor: A ``Stage`` or ``Part`` that is being initialised.
        title: Name of the descriptor in messages.

    Raises:
        TypeError: A function has a parameter with an unknown name.
    """
    for item in fields(descriptor):
        function = getattr(descriptor, item.name)
        if item.name in ARGUMENTS and callable(function):
            complete = taking(ARGUMENTS[item.name], function, f"{item.name} of {title}")
            object.__setattr__(descriptor, item.name, complete)


def taking(arguments: tuple[str, ...], function: Callable[..., ResultT], title: str) -> Callable[..., ResultT]:
    """Return a function that takes all ``arguments`` and passes on those for which ``function`` has parameters.

    Args:
        arguments: Names of the arguments, in the order of a call.
        function: Returned unchanged if it takes all arguments in this order.
        title: Name of the function in messages.

    Raises:
        TypeError: The function has a parameter with an unknown name.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a function written in C
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
