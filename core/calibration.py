"""Calibration tables: the range of each tensor, as JSON and as the text of a TensorRT calibration cache.

The cache has one header line, then ``name: hhhhhhhh`` per tensor: the scale amax/127 as a big-endian IEEE 754 float32
in hexadecimal (docs/tensorrt.md). Both files are sorted by tensor name: several threads observe activations, and equal
work must produce equal bytes.
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
"""Maximum size of a table or cache in bytes. For a network with 300 tensors, a table has 60 kB and a cache 10 kB."""
MAX_MAGNITUDE = 1e30
"""Maximum magnitude of a range; larger ones overflow float32. Activations of a trained network are below 1e4."""
MAX_IMAGES = 1_000_000_000
"""Maximum number of images in a table."""
_OWN_HEADER = re.compile(r"hookline-\S+ model=([0-9a-f]{64})")


STEPS = 127
"""Steps of symmetric int8: scale = amax / 127."""


@dataclass(frozen=True)
class TensorRange:
    """Range of one tensor. All values must be finite, with ``min <= max``, ``low <= high`` and ``amax >= 0``.

    Attributes:
        min: Smallest observed value.
        max: Largest observed value.
        low: Lower end of the range for asymmetric int8; smaller values are clipped.
        high: Upper end of the range for asymmetric int8; larger values are clipped.
        amax: Maximum magnitude for symmetric int8 with the scale amax / 127; larger magnitudes are clipped. Without
            clipping, it is ``max(abs(min), abs(max))``.
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
        pictures: Number of calibration images; 0 if the ranges come from a calibration cache.
        model: SHA-256 of the file of the calibrated model. Quantizers refuse a table of another model.
        data: Digest of the images, for information.
        preprocessing: Digest of the preprocessing, for information.
        tensors: Ranges by tensor name of the ONNX model.
        header: First line of the TensorRT cache that the ranges come from; otherwise empty.
    """

    method: str
    pictures: int
    model: str
    data: str
    preprocessing: str
    tensors: Mapping[str, TensorRange]
    header: str = ""

    def write(self, path: Path) -> None:
        """Write the table as JSON.

        Args:
            path: The file to write.

        Raises:
            HooklineError: A range is not finite or exceeds the limits of a table.
        """
        try:
            _check(self)
        except DecodeError as error:
            raise HooklineError(
                f"the observed ranges are invalid ({error})", "check the weights and the calibration images"
            ) from error
        content = encode(self) | {"tensors": encode(dict(sorted(self.tensors.items())))}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def read(path: Path) -> Ranges:
        """Read a table from JSON.

        Args:
            path: The file.

        Raises:
            HooklineError: The file is not a calibration table.
        """
        try:
            ranges = decode(Ranges, parse(read_bounded(path)))
            _check(ranges)
            return ranges
        except DecodeError as error:
            raise HooklineError(
                f"'{path}' is not a calibration table ({error})", "make a table with +stage=calibrate"
            ) from error


def read_bounded(path: Path) -> bytes:
    """Return the content of a table or cache.

    Raises:
        HooklineError: The file cannot be read, is not a regular file, or is larger than :data:`MAX_BYTES`.
    """
    try:
        return read_regular(path, MAX_BYTES)
    except OSError as error:
        raise HooklineError(
            f"cannot read '{path}' ({error.strerror})", "give a calibration table; +stage=calibrate makes one"
        ) from error


def _check(ranges: Ranges) -> None:
    if not 0 <= ranges.pictures <= MAX_IMAGES:
        raise DecodeError("pictures", f"expected a number from 0 to {MAX_IMAGES:,}, got {shown(ranges.pictures)}")
    for name, found in ranges.tensors.items():
        place = f"tensors.{name[:MAX_SHOWN]}"
        if not is_tensor_name(name):
            raise DecodeError(place, "not a tensor name: it has a line break, or is not Unicode")
        if not all(abs(value) <= MAX_MAGNITUDE for value in vars(found).values()):
            raise DecodeError(place, f"not a range: a magnitude is above {MAX_MAGNITUDE:g}")
        if found.amax < 0 or found.low > found.high or found.min > found.max:
            raise DecodeError(place, f"not a range: {found}")


def is_tensor_name(name: str) -> bool:
    """Return whether a name fits into a calibration cache, which has one line per tensor."""
    return bool(name) and len(name.splitlines()) == 1 and name.encode(errors="replace").decode() == name


@dataclass(frozen=True)
class TensorRtCache:
    """The content of a calibration cache.

    Attributes:
        header: First line: release and algorithm if TensorRT wrote it, method and model if hookline wrote it.
        scales: Scales, amax / 127, by tensor name.
    """

    header: str
    scales: Mapping[str, float]

    @property
    def model(self) -> str:
        """SHA-256 of the calibrated ONNX model; empty if the header does not contain it."""
        return model_of(self.header)


def model_of(header: str) -> str:
    """Return the SHA-256 of the model from a header that hookline wrote; empty for another header."""
    found = _OWN_HEADER.fullmatch(header)
    return found[1] if found else ""


def write_tensorrt_cache(scales: Mapping[str, float], *, method: str, model: str, header: str = "") -> str:
    """Return the text of a TensorRT calibration cache.

    Args:
        scales: Scales, amax / 127, by tensor name.
        method: Name of the calibrator.
        model: SHA-256 of the calibrated ONNX model.
        header: Header of the cache that the scales come from. A header of TensorRT is never invented: it names a
            release and an algorithm, and TensorRT uses a cache only if they match.
    """
    lines = [
        header or f"hookline-{method} model={model}",
        *(f"{name}: {struct.pack('>f', scale).hex()}" for name, scale in sorted(scales.items())),
    ]
    return "\n".join(lines) + "\n"


def read_tensorrt_cache(content: bytes) -> TensorRtCache:
    """Read the text of a calibration cache. Tensor names may contain ``": "``.

    A tensor that is always 0 has the scale 0. A cache with only such tensors is refused.

    Args:
        content: Content of the file.

    Raises:
        HooklineError: The content is not text, a line is not ``name: hhhhhhhh``, or a scale is out of range.
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
                f"line {number} of the calibration cache has the scale {scale:g} for {shown(name)}",
                f"calibrate again; scales are finite, from 0 to {MAX_MAGNITUDE / STEPS:.3g}",
            )
        if name in scales:
            raise HooklineError(f"line {number} of the calibration cache repeats {shown(name)}", "calibrate again")
        scales[name] = scale
    if not any(scales.values()):
        raise HooklineError("the calibration cache has no scale above 0", "give the file that TensorRT wrote")
    return TensorRtCache(header.rstrip("\r"), scales)
