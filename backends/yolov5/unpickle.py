"""Safe reading of a pickled checkpoint: no code that it names is imported or called.

A name becomes one of three things: a container, a tensor whose storage is read from the file here, or an inert
:class:`~backends.yolov5.pickle_values.StandIn` that keeps attributes. A name that is not on the list is refused.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from backends.yolov5.archive import Archive
from backends.yolov5.errors import CheckpointError
from backends.yolov5.pickle_machine import PickleMachine
from backends.yolov5.pickle_values import Name, PickleError, StandIn, checked_key
from core.errors import shown, with_article

FirstT = TypeVar("FirstT")

# Packages of detectors and of PyTorch. Their objects become stand-ins, so that an error message can name the layers of
# another architecture.
_STAND_IN_MODULES = ("models", "utils", "yolov5", "ultralytics", "torch.nn", "torch.optim")
_PATHS = frozenset(
    f"{module}.{pure}{kind}"
    for module in ("pathlib", "pathlib._local")  # the second one in Python 3.13
    for pure in ("", "Pure")
    for kind in ("Path", "PosixPath", "WindowsPath")
)
_STAND_INS = _PATHS | {
    "torch.Size",
    "torch.device",
    "_codecs.encode",
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "argparse.Namespace",
    "datetime.datetime",
    "datetime.timedelta",
}
_STORAGES = {
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
_DTYPES = frozenset(
    f"torch.{name}" for name in ("float16", "bfloat16", "float32", "float64", "int64", "int32", "uint8")
)
_SETS = frozenset({"builtins.set", "__builtin__.set"})
_TENSOR = "torch._utils._rebuild_tensor_v2"
_PARAMETERS = frozenset({"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"})
_DICTIONARY = "collections.OrderedDict"
_CALLED = _SETS | _PARAMETERS | {_TENSOR, _DICTIONARY}
MAX_DIMENSIONS = 8
"""Maximum number of dimensions of a tensor; a convolution has 4."""
MAX_ELEMENTS = 1 << 34
"""Maximum of elements, offset and strides of a tensor. PyTorch compares them with the storage in arithmetic that
overflows above 2^63."""


def read_pickle(path: Path) -> object:
    """Return the content of a checkpoint as tensors, containers and :class:`StandIn` objects.

    Raises:
        CheckpointError: The file is missing, damaged, not a PyTorch file, or contains a name that is not allowed.
    """
    with Archive(path) as archive:
        machine = PickleMachine(archive.pickle(), name=_allowed(path), call=_call, stored=_storages(archive))
        try:
            return machine.run()
        except CheckpointError:
            raise
        except (ValueError, OverflowError) as error:  # PickleError, and errors of pickletools' readers
            raise CheckpointError(f"the pickle in '{path}' is damaged ({error})", "download it again") from error


def _allowed(path: Path) -> Callable[[str], Name]:
    """Return a function that turns a full name of the pickle in ``path`` into a :class:`Name`, or refuses it."""
    known: dict[str, Name] = {}

    def name(full: str) -> Name:
        if full not in known:
            if not _is_allowed(full):
                raise CheckpointError(
                    f"refused '{path}': its pickle uses {shown(full)}, which no YOLOv5 checkpoint needs",
                    "no code of it was run; do not load this file with other programs",
                )
            known[full] = Name(full)
        return known[full]

    return name


def _is_allowed(full: str) -> bool:
    listed = full in _STAND_INS or full in _CALLED or full in _STORAGES or full in _DTYPES
    return listed or any(full.startswith(f"{module}.") for module in _STAND_IN_MODULES)


def _call(machine: PickleMachine, function: Name, arguments: tuple[object, ...]) -> object:
    """Return the result of calling ``function``: a value for the few that build values, else a stand-in."""
    full = function.full
    if full == _DICTIONARY:
        pairs = _first(arguments, list, "an OrderedDict") if arguments else ()
        machine.spend(len(pairs))
        return OrderedDict(map(_pair, pairs))
    if full == _TENSOR:
        return _tensor(arguments)
    if full in _PARAMETERS:
        return _first(arguments, Tensor, "a parameter")
    if full in _SETS:
        members = _first(arguments, list, "a set") if arguments else []
        machine.spend(len(members))
        return set(map(checked_key, members))
    return StandIn(full)


def _first(arguments: tuple[object, ...], kind: type[FirstT], what: str) -> FirstT:
    first = arguments[0] if arguments else None
    if not isinstance(first, kind):
        found = type(first).__name__ if arguments else "nothing"
        raise PickleError(f"{what} of {found}, not of {with_article(kind.__name__)}")
    return first


def _pair(item: object) -> tuple[object, object]:
    if not isinstance(item, list | tuple) or len(item) != 2:
        raise PickleError("an item of an OrderedDict that is not a pair")
    return checked_key(item[0]), item[1]


def _storages(archive: Archive) -> Callable[[object], Tensor]:
    """Return a function that reads the storage of ``("storage", class, key, location, elements)``, each only once."""
    read: dict[str, Tensor] = {}

    def storage(persistent: object) -> Tensor:
        if not isinstance(persistent, tuple) or len(persistent) != 5 or not isinstance(persistent[2], str):
            raise PickleError(f"a persistent id {shown(persistent)} that names no storage")
        kind, key = persistent[1], persistent[2]
        if not isinstance(kind, Name) or kind.full not in _STORAGES:
            raise PickleError(f"a storage of {shown(kind.full if isinstance(kind, Name) else kind)}")
        if key not in read:
            read[key] = archive.storage(key, _STORAGES[kind.full])
        return read[key]

    return storage


def _tensor(arguments: tuple[object, ...]) -> Tensor:
    """Return a view of a storage for the arguments ``(storage, offset, size, stride, ...)``, without a copy."""
    if len(arguments) < 4 or not isinstance(storage := arguments[0], Tensor):
        raise PickleError("a tensor without a storage")
    offset, size, stride = arguments[1:4]
    if not (isinstance(size, tuple) and isinstance(stride, tuple) and max(len(size), len(stride)) <= MAX_DIMENSIONS):
        raise PickleError(f"a tensor whose size or stride is not a tuple of up to {MAX_DIMENSIONS} numbers")
    numbers = (offset, *size, *stride)
    whole = all(type(number) is int and 0 <= number <= MAX_ELEMENTS for number in numbers)
    if not isinstance(offset, int) or not whole or prod(size) > MAX_ELEMENTS:
        raise PickleError(f"a tensor of offset {shown(offset)}, size {shown(size)}, stride {shown(stride)}")
    try:
        view: Tensor = storage.as_strided(size, stride, offset)
    except RuntimeError as error:
        raise PickleError(f"a tensor outside its storage: offset {offset}, size {size}, stride {stride}") from error
    return view
