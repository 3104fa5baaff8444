"""The calibration table: a range per tensor, as JSON and as TensorRT's cache text.

The cache text is one header line, then ``name: hhhhhhhh`` per tensor, the scale amax/127 as a big-endian IEEE 754
float32 in hexadecimal (docs/tensorrt.md). Both are sorted by the name of the tensor: activations are observed by
several threads, and equal work must give equal bytes.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import HooklineError, shown
from core.files.regular_file import read_regular
from core.storage.serial import MAX_SHOWN, DecodeError, decode, encode, parse

MAX_BYTES = 16_000_000
"""Bytes of a table or cache. For a network of 300 tensors a table has 60 kB, a cache 10 kB."""
MAX_MAGNITUDE = 1e30
"""Of a range; with larger ones float32 overflows. Activations of a trained network are below 1e4."""
MAX_PICTURES = 1_000_000_000
"""Number of images that a table can state."""
_OWN_HEADER = re.compile(r"hookline-\S+ model=([0-9a-f]{64})")


STEPS = 127
"""Steps of symmetric int8: a scale is a magnitude divided by them."""


@dataclass(frozen=True)
class TensorRange:
    """Range of one tensor. All values must be finite, with ``min <= max``, ``low <= high`` and ``amax >= 0``.

    Attributes:
        min: Smallest value that was observed.
        max: Largest value that was observed.
        low: Begin of the range that the method chose, for asymmetric int8; values below it are clipped.
        high: End of that range.
        amax: Magnitude that the method chose, for symmetric int8 with the scale amax / 127; larger magnitudes are
            clipped. Without clipping: ``max(abs(min), abs(max))``.
    """

    min: float
    max: float
    low: float
    high: float
    amax: float


@dataclass(frozen=True)
class Ranges:
    """The content of a calibration table.

    Attributes:
        method: Name of the calibrator.
        pictures: How many images were observed; 0 where the ranges come from a calibration cache.
        model: SHA-256 of the file of the model that was observed; a table of another model is refused.
        data: Digest of the images, as a record.
        preprocessing: Digest of how they were prepared, as a record.
        tensors: Range by tensor name; the names are those of the ONNX model.
        header: First line of the TensorRT cache that the ranges come from, empty where they do not.
    """

    method: str
    pictures: int
    model: str
    data: str
    preprocessing: str
    tensors: Mapping[str, TensorRange]
    header: str = ""

    def write(self, path: Path) -> None:
        """Write as JSON.

        Raises:
            HooklineError: A range is not finite, or beyond what a table can hold.
        """
        try:
            _check(self)
        except DecodeError as error:
            raise HooklineError(
                f"the ranges that were observed are unusable ({error})", "the weights or the images are broken"
            ) from error
        content = encode(self) | {"tensors": encode(dict(sorted(self.tensors.items())))}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def read(path: Path) -> Ranges:
        """Read JSON.

        Raises:
            HooklineError: The file is not a calibration table.
        """
        try:
            ranges = decode(Ranges, parse(read_bounded(path)))
            _check(ranges)
            return ranges
        except DecodeError as error:
            raise HooklineError(
                f"'{path}' is not a calibration table ({error})", "make one with +stage=calibrate"
            ) from error


def read_bounded(path: Path) -> bytes:
    """Return the content of a table or cache.

    Raises:
        HooklineError: It cannot be read, is not a regular file, or has more than :data:`MAX_BYTES`.
    """
    try:
        return read_regular(path, MAX_BYTES)
    except OSError as error:
        raise HooklineError(f"cannot read '{path}' ({error.strerror})", "make one with +stage=calibrate") from error


def _check(ranges: Ranges) -> None:
    if not 0 <= ranges.pictures <= MAX_PICTURES:
        raise DecodeError("pictures", f"expected a number from 0 to {MAX_PICTURES:,}, got {shown(ranges.pictures)}")
    for name, found in ranges.tensors.items():
        place = f"tensors.{name[:MAX_SHOWN]}"
        if not is_tensor_name(name):
            raise DecodeError(place, "no name of a tensor: it has a line break, or is not Unicode")
        if not all(abs(value) <= MAX_MAGNITUDE for value in vars(found).values()):
            raise DecodeError(place, f"no range: a magnitude is above {MAX_MAGNITUDE:g}")
        if found.amax < 0 or found.low > found.high or found.min > found.max:
            raise DecodeError(place, f"no range: {found}")


def is_tensor_name(name: str) -> bool:
    """Return whether a calibration cache, which has one line per tensor, can hold a name."""
    return bool(name) and len(name.splitlines()) == 1 and name.encode(errors="replace").decode() == name


@dataclass(frozen=True)
class TensorRtCache:
    """The content of a calibration cache.

    Attributes:
        header: Its first line. TensorRT's own names a release and an algorithm, ours a method and the model.
        scales: amax / 127 by tensor name.
    """

    header: str
    scales: Mapping[str, float]

    @property
    def model(self) -> str:
        """SHA-256 of the ONNX model that was calibrated; empty where the header does not name it."""
        return model_of(self.header)


def model_of(header: str) -> str:
    """Return the SHA-256 of the model in a header that hookline wrote, or an empty text."""
    found = _OWN_HEADER.fullmatch(header)
    return found[1] if found else ""


def write_tensorrt_cache(scales: Mapping[str, float], *, method: str, model: str, header: str = "") -> str:
    """Return TensorRT's cache text.

    Args:
        scales: amax / 127 by tensor name.
        method: Name of the calibrator.
        model: SHA-256 of the ONNX model that was calibrated.
        header: Of the cache that the scales come from. A header of TensorRT is never made up: it names a release and an
            algorithm, which decide whether TensorRT uses the cache.
    """
    lines = [
        header or f"hookline-{method} model={model}",
        *(f"{name}: {struct.pack('>f', scale).hex()}" for name, scale in sorted(scales.items())),
    ]
    return "\n".join(lines) + "\n"


def read_tensorrt_cache(content: bytes) -> TensorRtCache:
    """Read the text of a calibration cache; names may hold ``": "``.

    A scale of 0 is that of a tensor that was always 0. A cache of such tensors alone is refused.

    Raises:
        HooklineError: No text, a line that is not ``name: hhhhhhhh``, or scales that no tensor has.
    """
    try:
        header, *lines = content.decode().replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise HooklineError("the calibration cache is not text", "give the file that TensorRT wrote") from error
    scales: dict[str, float] = {}
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        try:
            name, value = line.rsplit(": ", 1)
            (scale,) = struct.unpack(">f", bytes.fromhex(value.strip()))
        except (ValueError, struct.error) as error:
            raise HooklineError(
                f"line {number} of the calibration cache is {shown(line)}",
                "expected 'tensor name: 8 hexadecimal digits'",
            ) from error
        if not 0 <= scale <= MAX_MAGNITUDE / STEPS:
            raise HooklineError(
                f"line {number} of the calibration cache gives {shown(name)} the scale {scale}",
                f"calibrate again: a scale is finite and not negative, up to {MAX_MAGNITUDE / STEPS:.3g}",
            )
        if name in scales:
            raise HooklineError(f"line {number} of the calibration cache repeats {shown(name)}", "calibrate again")
        scales[name] = scale
    if not any(scales.values()):
        raise HooklineError("the calibration cache holds no scale above 0", "give the file that TensorRT wrote")
    return TensorRtCache(header.rstrip("\r"), scales)
