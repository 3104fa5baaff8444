"""Access to the modules of an official checkpoint: a tree of stand-ins, each read within limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from backends.yolov5.errors import CheckpointError, ConfigError
from backends.yolov5.pickle_values import StandIn
from core.errors import shown

SUPPORTED = "plain YOLOv5 detectors of v5.0 to v7.0 are supported"
MAX_DEPTH = 8
"""Maximum nesting of modules in a layer; the convolution of a bottleneck has 4."""
MAX_ENTRIES = 1000
"""Maximum number of children, parameters or buffers of a module. The official networks have up to 33 layers."""
MAX_ENTRY_NAME = 64
"""Maximum number of characters in the name of a child, parameter or buffer."""
MAX_MODULES = 10_000
"""Maximum number of modules in a network, counted once per use. yolov5x6 has about 1,000. A small file can use one
module under any number of names."""
_OUR_NAMES = {
    "C3": {"cv1": "main", "cv2": "past", "cv3": "merge", "m": "blocks"},
    "Bottleneck": {"cv1": "reduce", "cv2": "expand"},
    "SPP": {"cv1": "reduce", "cv2": "merge"},
    "SPPF": {"cv1": "reduce", "cv2": "merge"},
    "Detect": {"m": "convs"},
}


def kind_of(module: StandIn) -> str:
    """Return the class name of a module without its package."""
    return module.kind.rpartition(".")[2]


def entries(module: StandIn, name: str) -> Mapping[str, object]:
    """Return the mapping in the attribute ``name``, empty if the attribute is not a mapping.

    Raises:
        ConfigError: It has too many entries, or a name that is not a short string.
    """
    found = module.attributes.get(name)
    if not isinstance(found, Mapping):
        return {}
    if len(found) > MAX_ENTRIES:
        raise ConfigError(f"a {shown(module.kind)} has {len(found):,} entries in {name}, more than {MAX_ENTRIES:,}")
    if odd := [key for key in found if not isinstance(key, str) or len(key) > MAX_ENTRY_NAME]:
        raise ConfigError(f"a {shown(module.kind)} has the entry {shown(odd[0])} in {name}")
    return found


def children(module: StandIn) -> dict[str, StandIn]:
    """Return the child modules by name."""
    return {key: child for key, child in entries(module, "_modules").items() if isinstance(child, StandIn)}


def child_of(module: StandIn, name: str, path: Path) -> StandIn:
    """Return the child module ``name``.

    Raises:
        CheckpointError: The module has no such child.
    """
    child = children(module).get(name)
    if child is None:
        raise CheckpointError(f"'{path}': its {shown(module.kind)} has no module '{name}'", SUPPORTED)
    return child


def all_modules(layers: Mapping[str, StandIn], path: Path) -> dict[str, StandIn]:
    """Return the layers and every module below them, by the names of :class:`~backends.yolov5.model.YOLOv5`.

    Raises:
        CheckpointError: There are too many modules, or they are nested too deeply.
    """
    found = list(islice(_walk(layers, path), MAX_MODULES + 1))
    if len(found) > MAX_MODULES:
        raise CheckpointError(f"'{path}' has more than {MAX_MODULES:,} modules", SUPPORTED)
    return dict(found)


def _walk(layers: Mapping[str, StandIn], path: Path, depth: int = 0) -> Iterator[tuple[str, StandIn]]:
    for name, module in layers.items():
        inner = children(module).get("conv") if kind_of(module) == "Focus" else module
        if inner is None or depth > MAX_DEPTH:
            raise CheckpointError(f"the module '{name}' of '{path}' is not part of a plain YOLOv5", SUPPORTED)
        yield name, module
        ours = _OUR_NAMES.get(kind_of(inner), {})
        below = {f"{name}.{ours.get(key, key)}": child for key, child in children(inner).items()}
        yield from _walk(below, path, depth + 1)


def module_named(modules: Mapping[str, StandIn], name: str, path: Path) -> StandIn:
    """Return the module ``name``.

    Raises:
        CheckpointError: There is no such module.
    """
    if name not in modules:
        raise CheckpointError(f"'{path}' has no module '{name}'", SUPPORTED)
    return modules[name]
