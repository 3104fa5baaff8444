"""A part: the light descriptor of a plugin's implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from core.errors import HooklineError
from core.kinds.arguments import complete_functions
from core.storage.serial import DataclassInstance

ImplT_co = TypeVar("ImplT_co", covariant=True)


@dataclass(frozen=True)
class NoOptions:
    """The options of a part that has none."""


def no_problems() -> tuple[HooklineError, ...]:
    """Return no problem; the default of checks."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Part(Generic[ImplT_co]):
    """Base of the descriptors that a name in the config chooses.

    A function of a descriptor has parameters, by the names that stand here, for the arguments that it needs; the others
    can be left out.

    Attributes:
        name: Unique among the parts of its kind: letters, digits and underscores. The word that the user types.
        summary: One line for ``--help`` and ``python -m core.plugins``.
        load: ``load(options)`` imports the heavy half and returns it; gets an instance of ``options``. Called in the
            run that uses the part, not before.
        options: Dataclass of its own options; the user sets them as ``<kinds>.<name>.<field>=``, e.g.
            ``runtimes.mychip.cores=2``. Declare ranges with :mod:`core.options.ranges`: the plan checks them.
        check_options: ``check_options(options)`` yields problems of options that are each in range. It must accept the
            defaults.
        packages: Distributions of Python whose version shapes what the part makes, by their names on the package index;
            ``cupy``, ``onnxruntime``, ``opencv``, ``tensorrt``, ``tensorrt-rtx`` stand for each of their distributions.
            In the store's key of every stage that the part shapes, as are name, options, and version of the plugin.
    """

    kind: ClassVar[str] = ""
    name: str
    summary: str
    load: Callable[..., ImplT_co]
    options: type[DataclassInstance] = NoOptions
    check_options: Callable[..., Iterable[HooklineError]] = no_problems
    packages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        complete_functions(self, f"{type(self).__name__} '{self.name}'")


@dataclass(frozen=True)
class Availability:
    """Whether a part can be used on this machine.

    Attributes:
        usable: It can.
        reason: Why, or why not; printed where ``auto`` is resolved, e.g. ``no device /dev/mychip0``.
        hint: What to install or do where it cannot be used.
    """

    usable: bool
    reason: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class DevicePart(Part[ImplT_co]):
    """Base of the parts that work on a device: runtimes and processors.

    Attributes:
        available: Whether it can be used here. Cheap: looks for packages, imports nothing heavy, returns within 10 s.
        device: ``cpu`` or ``cuda``: where its sessions take and give arrays. An accelerator that is fed from host
            memory is ``cpu``.
        rank: ``auto`` takes the available part with the highest rank. Shipped runtimes have 20 (``tensorrt``), 10
            (``onnxruntime``) and 5 (``tensorrt_rtx``).
        check_device: ``check_device(device)`` yields problems with ``device=``, e.g. a missing GPU, that can be found
            before anything runs. Cheap: starts nothing on the device.
    """

    available: Callable[[], Availability]
    device: str
    rank: int = 0
    check_device: Callable[..., Iterable[HooklineError]] = no_problems
