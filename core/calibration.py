"""The calibration table: a range per tensor, as JSON and as TensorRT's cache text.

The cache text is one header line, then ``name: hhhhhhhh`` per tensor, the scale amax/127 as a big-endian IEEE 754
float32 in hexadecimal (docs/tensorrt.md). Both are sorted by the name of the tensor: activations are observed by
several threads, and equal work must give equal bytes.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import HooklineError, shown
from core.serial import DecodeError, decode, encode, parse

_OWN_HEADER = re.compile(r"hookline-\S+ model=([0-9a-f]{64})")


@dataclass(frozen=True)
class TensorRange:
    """Range of one tensor.

    Attributes:
        min, max: Extremes that were seen.
        low, high: The range that the method chose, inside [min, max]; what asymmetric int8 uses.
        amax: The magnitude that the method chose; symmetric int8 uses the scale amax / 127.
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
        pictures: How many pictures were observed.
        model: Digest of the model that was observed; a table of another model is refused.
        data, preprocessing: Digests of the pictures and of the input contract, as a record.
        tensors: Range by tensor name.
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
        """Write as JSON."""
        content = encode(self) | {"tensors": encode(dict(sorted(self.tensors.items())))}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def read(path: Path) -> Ranges:
        """Read JSON.

        Raises:
            HooklineError: The file is not a calibration table.
        """
        try:
            ranges: Ranges = decode(Ranges, parse(path.read_bytes()))
            _check(ranges.tensors)
            return ranges
        except (OSError, DecodeError) as error:
            raise HooklineError(
                f"'{path}' is not a calibration table ({error})", "make one with +stage=calibrate"
            ) from error


def _check(tensors: Mapping[str, TensorRange]) -> None:
    for name, found in tensors.items():
        if found.amax < 0 or found.low > found.high or found.min > found.max:
            raise DecodeError(f"tensors.{name:.60}", f"no range: {found}")


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
        if not math.isfinite(scale) or scale < 0:
            raise HooklineError(
                f"line {number} of the calibration cache gives '{name[:80]}' the scale {scale}",
                "calibrate again: a scale is finite and not negative",
            )
        scales[name] = scale
    if not any(scales.values()):
        raise HooklineError("the calibration cache holds no scale above 0", "give the file that TensorRT wrote")
    return TensorRtCache(header, scales)
