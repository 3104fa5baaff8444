"""Options that have another name since an earlier version: the old spelling is refused with the new one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from core.errors import HooklineError

RENAMED: Mapping[str, str] = MappingProxyType(
    {
        # "old.name": "new.name", one per line, sorted. CHANGELOG.md has the same table under "Changed names".
        "build.compute_capabilities": "runtimes.tensorrt_rtx.compute_capabilities",
        "build.int8": "runtimes.tensorrt.int8",
        "build.method": "runtimes.tensorrt.method",
        "graft": "decode",
        "graft.name": "decode",
        "graft.namespace": "grafts.yolo_layer.namespace",
        "load.int8": "runtimes.tensorrt.int8",
        "quantize.int8": "runtimes.tensorrt.int8",
    }
)
"""Old name of an option -> the option that replaces it."""


def renamed_option(name: str) -> HooklineError | None:
    """Return the error for the old name of an option; None for every other name.

    Args:
        name: An option, dotted, without ``+`` or ``~``.
    """
    new = RENAMED.get(name)
    return HooklineError(f"'{name}' is now '{new}'", f"write {new}=<value>") if new else None
