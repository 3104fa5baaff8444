"""Base classes of the light descriptors with which plugins register parts."""

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
    """Options of a part without options."""


def no_problems() -> tuple[HooklineError, ...]:
    """Return no problem: the default of the checks of a descriptor."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Part(Generic[ImplT_co]):
    """Base of all descriptors that the user selects by name.

    A descriptor is light: it is created at each start of hookline and imports nothing heavy. ``load`` returns the
    implementation, the object that does the work.

    Give a function of a descriptor only the parameters that it needs, by the names that are used here.

    Attributes:
        name: The name that the user types: letters, digits and underscores, unique among the parts of its kind.
        summary: One line for ``--help`` and ``python -m core.plugins``.
        load: ``load(options)`` imports the implementation and returns it. ``options`` is an instance of the class
            ``options``. Called only in a run that uses the part.
        options: Dataclass of the options of the part, set as ``<kinds>.<name>.<field>=``, e.g.
            ``runtimes.mychip.cores=2``. Declare ranges with :mod:`core.options.ranges`; the plan checks them.
        check_options: ``check_options(options)`` yields problems with combinations of options; each value is in its
            range already. It must accept the defaults.
        packages: Python distributions that affect the results of the part, by their names on the package index.
            ``cupy``, ``onnxruntime``, ``opencv``, ``tensorrt`` and ``tensorrt-rtx`` cover all distributions of that
            package. Their versions are part of the store key of every stage that the part affects, together with the
            name and the options of the part and the version of the plugin.
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
        usable: It can be used.
        reason: Why or why not; printed when ``auto`` is resolved, e.g. ``no device /dev/mychip0``.
        hint: What to install or do if it cannot be used.
    """

    usable: bool
    reason: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class DevicePart(Part[ImplT_co]):
    """Base of the parts that work on a device: runtimes and processors.

    Attributes:
        available: Return an ``Availability``. Must be cheap: look for packages, import nothing heavy, return within
            10 s.
        device: Memory of the arrays that its sessions take and return: ``cpu`` or ``cuda``. Use ``cpu`` for an
            accelerator that is fed from host memory.
        rank: ``auto`` takes the available part with the highest rank. The shipped runtimes have 20 (``tensorrt``), 10
            (``onnxruntime``) and 5 (``tensorrt_rtx``).
        check_device: ``check_device(device)`` yields problems with ``device=`` that can be found before anything runs,
            e.g. a missing GPU. Must be cheap and start nothing on the device.
    """

    available: Callable[[], Availability]
    device: str
    rank: int = 0
    check_device: Callable[..., Iterable[HooklineError]] = no_problems
