"""Reads a pickled checkpoint without running anything that it names.

A pickle is a program that may call whatever it can name. Here a name gives one of three things: a
container, a tensor read from the file by ourselves, or an inert stand-in that only keeps the
attributes it is given. No name reaches an import, and a name outside the list is refused.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backends.yolov5.archive import Archive
from backends.yolov5.errors import CheckpointError
from core.errors import shown

# Class definitions of detectors and of PyTorch. Their objects become stand-ins, so that a checkpoint of
# another architecture can be told by the name of its parts.
_STAND_IN_MODULES = ("models", "utils", "yolov5", "ultralytics", "torch.nn", "torch.optim")
_STAND_INS = frozenset(
    {
        "torch.Size",
        "torch.device",
        "_codecs.encode",
        "numpy.ndarray",
        "numpy.dtype",
        "numpy.core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "pathlib.Path",
        "pathlib.PosixPath",
        "pathlib.WindowsPath",
        "pathlib.PurePosixPath",
        "pathlib._local.PosixPath",
        "pathlib._local.WindowsPath",
        "argparse.Namespace",
        "datetime.datetime",
        "datetime.timedelta",
    }
)
_CONTAINERS = {"collections.OrderedDict": OrderedDict, "builtins.set": set, "__builtin__.set": set}
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
_MAX_DIMENSIONS = 8
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
    RecursionError,
)


class StandIn:
    """Stands for an object of a class that is never imported. ``kind`` is the full name of that class."""

    kind = ""

    def __init__(self, *arguments: object, **options: object) -> None:
        """Arguments are dropped."""

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            vars(self).update({str(key): value for key, value in state.items()})


def read_pickle(path: Path) -> Any:
    """The content of a checkpoint as tensors, containers and :class:`StandIn` objects.

    Raises:
        CheckpointError: Not there, damaged, not a PyTorch file, or it names something that is not allowed.
    """
    with Archive(path) as archive:
        content = archive.pickle()
        try:
            _refuse_memory_bombs(content)
            return _Unpickler(content, archive).load()
        except CheckpointError:
            raise
        except _DAMAGE as error:
            raise CheckpointError(
                f"the pickle in '{path}' is damaged ({type(error).__name__}: {error})", "fetch it again"
            ) from error


class _Unpickler(pickle.Unpickler):
    """One use, one file; everything it hands out is made for this file alone."""

    def __init__(self, content: bytes, archive: Archive) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self._archive = archive
        self._classes: dict[str, type[StandIn]] = {}
        self._storages: dict[str, Tensor] = {}
        self._functions = {
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_parameter": _parameter,
            "torch._utils._rebuild_parameter_with_state": _parameter,
        }

    def find_class(self, module: str, name: str, /) -> Any:
        """What stands for a name in the pickle.

        Raises:
            CheckpointError: The name is not on the list.
        """
        full = f"{module}.{name}"
        if full in _CONTAINERS:
            return _CONTAINERS[full]
        if full in self._functions:
            return self._functions[full]
        if full in _STORAGES or full in _STAND_INS or full in _DTYPES or _is_class_of_a_detector(module):
            return self._classes.setdefault(full, type("StandIn", (StandIn,), {"kind": full}))
        raise CheckpointError(
            f"refused '{self._archive.path}': its pickle wants {shown(full)}, which no YOLOv5 checkpoint needs",
            "nothing of it was run; do not load this file with other programs",
        )

    def persistent_load(self, pid: Any, /) -> Tensor:
        """The storage that ``("storage", class, key, location, elements)`` names."""
        _, storage_type, key, _, _ = pid
        dtype = _STORAGES[storage_type.kind]
        if key not in self._storages:
            self._storages[key] = self._archive.storage(str(key), dtype)
        return self._storages[key]

    def _tensor(
        self, storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
    ) -> Tensor:
        if len(size) > _MAX_DIMENSIONS:
            raise ValueError(f"a tensor of {len(size)} dimensions")
        try:
            return storage.as_strided(size, stride, offset)
        except RuntimeError as error:
            raise ValueError(f"a tensor outside its storage: {error}") from error


def _parameter(data: Tensor, *_: object) -> Tensor:
    return data


def _is_class_of_a_detector(module: str) -> bool:
    return any(module == known or module.startswith(f"{known}.") for known in _STAND_IN_MODULES)


def _refuse_memory_bombs(content: bytes) -> None:
    """The memo of a pickle is an array: one high index would make it take all memory."""
    puts, highest = 0, -1
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in {"PUT", "BINPUT", "LONG_BINPUT"}:
            puts, highest = puts + 1, max(highest, int(argument or 0))
    if highest > puts:
        raise ValueError(f"memo index {highest} with {puts} entries")
