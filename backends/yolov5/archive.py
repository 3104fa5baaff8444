"""The zip archive of a PyTorch checkpoint: one pickle, and one file with the raw bytes of each storage."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from torch import Tensor

from backends.yolov5.errors import CheckpointError

PICKLE_LIMIT = 16 << 20
"""Maximum size of the pickle in bytes. Official checkpoints have 0.2 MB; the tensors are separate members."""

_DAMAGE = (zipfile.BadZipFile, EOFError, KeyError, NotImplementedError, OSError, RuntimeError, ValueError)
"""Exceptions of zipfile for a file that is damaged, of a newer version, or encrypted."""
_KINDS = {
    b"tfl3": "a TensorFlow Lite model",
    b"<html": "a web page, e.g. of a failed download",
    b"<!doctype html": "a web page, e.g. of a failed download",
    b"<net": "an OpenVINO model",
    b"<?xml": "an XML file, e.g. of OpenVINO",
    b"ftrt": "a TensorRT engine",
}
"""Bytes at the start of a file -> its kind."""
_WANTED = "give an official YOLOv5 .pt of v5.0 to v7.0, or a .safetensors that hookline wrote"


class Archive:
    """An opened checkpoint file; use it in a ``with`` block. Nothing is executed or extracted to disk."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            CheckpointError: The file is missing, damaged, compressed (PyTorch compresses nothing), or not a PyTorch
                zip file.
        """
        self.path = path
        if not path.is_file():
            raise CheckpointError(f"no such file '{path}'")
        try:
            self._zip = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise _not_a_zip(path) from error
        self._members = {member.filename: member for member in self._zip.infolist()}
        try:
            self._refuse_programs()
            self._refuse_bombs()
            self._prefix = self._find_prefix()
        except CheckpointError:
            self._zip.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    def pickle(self) -> bytes:
        """Return the pickle that describes the objects and tensors."""
        size = self._members[f"{self._prefix}data.pkl"].file_size
        if size > PICKLE_LIMIT:
            raise CheckpointError(
                f"the pickle in '{self.path}' has {size:,} bytes, more than {PICKLE_LIMIT:,}", _WANTED
            )
        return self._read(f"{self._prefix}data.pkl")

    def storage(self, key: str, dtype: torch.dtype) -> Tensor:
        """Return the storage ``key`` as a one-dimensional tensor.

        Raises:
            CheckpointError: It is missing or damaged.
        """
        content = self._read(f"{self._prefix}data/{key}")
        if len(content) % dtype.itemsize:
            raise CheckpointError(
                f"storage '{key}' in '{self.path}' has {len(content)} bytes, not a multiple of {dtype}"
            )
        if not content:
            return torch.empty(0, dtype=dtype)
        return torch.frombuffer(bytearray(content), dtype=dtype)

    def _read(self, name: str) -> bytes:
        try:
            return self._zip.read(self._members[name])
        except _DAMAGE as error:
            raise CheckpointError(
                f"'{self.path}' is damaged: its member '{name}' cannot be read", "download it again"
            ) from error

    def _refuse_programs(self) -> None:
        if any(name == "constants.pkl" or name.endswith("/constants.pkl") for name in self._members):
            raise CheckpointError(f"'{self.path}' is a TorchScript program, not a checkpoint", _WANTED)

    def _refuse_bombs(self) -> None:
        packed = [member for member in self._members.values() if member.compress_type != zipfile.ZIP_STORED]
        if packed:
            raise CheckpointError(
                f"'{self.path}' has the compressed member '{packed[0].filename}'; PyTorch compresses nothing", _WANTED
            )
        total, size = sum(member.file_size for member in self._members.values()), self.path.stat().st_size
        if total > size:
            raise CheckpointError(f"'{self.path}' claims {total:,} bytes of content in a file of {size:,}", _WANTED)

    def _find_prefix(self) -> str:
        pickles = [name for name in self._members if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise CheckpointError(f"'{self.path}' is a zip file, but not a PyTorch checkpoint", _WANTED)
        prefix = pickles[0].removesuffix("data.pkl")
        order = f"{prefix}byteorder"
        if order in self._members and self._read(order) != b"little":
            raise CheckpointError(f"'{self.path}' was written on a big-endian machine", _WANTED)
        return prefix


def _not_a_zip(path: Path) -> CheckpointError:
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"PK"):
        return CheckpointError(f"'{path}' is truncated ({path.stat().st_size:,} bytes)", "download it again")
    if start.startswith(b"version https://git-lfs"):
        return CheckpointError(f"'{path}' is a Git LFS pointer, not the file itself", "run 'git lfs pull'")
    if start.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04")):
        return CheckpointError(f"'{path}' is a bare pickle (PyTorch before 1.6), which is not supported", _WANTED)
    kind = next((kind for mark, kind in _KINDS.items() if mark in start.lower()), "")
    return CheckpointError(f"'{path}' is {f'{kind}, ' if kind else ''}not a PyTorch checkpoint", _WANTED)
