"""Check ``device=`` and whether a part can work on that device, without starting anything on it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.containment.calls import PluginError
from core.errors import HooklineError
from core.kinds.model import ModelFamily
from core.kinds.part import DevicePart
from core.kinds.processor import Processor
from core.kinds.table import KINDS, PART_KINDS, AnyPart

if TYPE_CHECKING:
    from core.kinds.context import RunContext

AUTO, CPU, CUDA = "auto", "cpu", "cuda"
DEVICES = "auto, cpu, cuda, cuda:N"
"""The possible values of ``device=``, for messages."""


def unknown_device(device: str) -> HooklineError | None:
    """Return the error for an unknown value of ``device=``; None for one of :data:`DEVICES`."""
    if re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", device):
        return None
    meant = _meant(device.strip().lower())
    return HooklineError(
        f"unknown device '{device}'", f"{f'did you mean {meant}? ' if meant else ''}possible: {DEVICES}"
    )


def contradicts(part: AnyPart, device: str) -> bool:
    """Return whether a part works on another kind of device than the requested one.

    A processor on the CPU serves sessions on any device. A part without a device works on all.
    """
    asked = device.partition(":")[0]
    if not isinstance(part, DevicePart) or (isinstance(part, Processor) and part.device == CPU):
        return False
    return AUTO not in {asked, part.device} and asked != part.device


def device_problems(
    kind: str, part: DevicePart[object], context: RunContext, subject: str = ""
) -> Iterator[HooklineError]:
    """Yield why a part cannot work on the device of the run.

    Args:
        kind: Kind of the part, e.g. ``runtimes``.
        part: Its descriptor. A part that is not usable on this machine is reported elsewhere.
        context: For the device and the other parts of the kind.
        subject: Name of the part in messages; empty: the option that names it.
    """
    if contradicts(part, context.device):
        noun, parts = KINDS[kind].noun, context.registry.all(PART_KINDS[kind])
        others = [name for name, other in parts.items() if not contradicts(other, context.device)]
        other = f", or {noun}={' or '.join(others)}" if others and not subject else ""
        yield HooklineError(
            f"{subject or f'{noun}={part.name}'} works with device={part.device} only, "
            f"but device={context.device} is set",
            f"set device=auto (each part then chooses a device){other}",
        )
        return
    if part.available().usable:
        yield from part.check_device(context.device)


def family_problems(context: RunContext, name: str = "") -> list[HooklineError]:
    """Return why a model family cannot work on the device of the run; without a name, why no family can."""
    families = context.registry.all(ModelFamily)
    found = [_family_problems(part, context) for key, part in families.items() if name in {"", key}]
    return found[0] if found and all(found) else []


def _family_problems(family: ModelFamily, context: RunContext) -> list[HooklineError]:
    try:
        return list(family.check_device(context.device))
    except PluginError as error:
        context.warn(str(error))
        return [error]


def _meant(device: str) -> str:
    """Return the nearest device. Other programs write ``0`` for ``cuda:0``."""
    if number := re.fullmatch(r"(?:cuda|gpu)?[:\s]*([0-9]+)", device):
        return f"{CUDA}:{number.group(1)}"
    if device.startswith(("gpu", CUDA)):
        return CUDA
    return next(iter(difflib.get_close_matches(device, [AUTO, CPU, CUDA], n=1, cutoff=0.5)), "")
