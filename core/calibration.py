"""The calibration table: a range a tensor, as JSON and as TensorRT's cache text.

The cache text is one header line, then ``name: hhhhhhhh`` a tensor, the scale amax/127 as a
big-endian IEEE 754 float32 in hexadecimal (docs/tensorrt.md).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from core.errors import HooklineError


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
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def read(path: Path) -> Ranges:
        """Read JSON.

        Raises:
            HooklineError: The file is not a calibration table.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            tensors = {name: TensorRange(**value) for name, value in content.pop("tensors").items()}
            return Ranges(**content, tensors=tensors)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise HooklineError(
                f"'{path}' is not a calibration table ({error})", "make one with +stage=calibrate"
            ) from error


def write_tensorrt_cache(scales: Mapping[str, float], header: str) -> str:
    """TensorRT's cache text for symmetric ``scales`` (amax / 127) by tensor name."""
    lines = [header, *(f"{name}: {struct.pack('>f', scale).hex()}" for name, scale in scales.items())]
    return "\n".join(lines) + "\n"


def read_tensorrt_cache(text: str) -> tuple[str, dict[str, float]]:
    """Header line and scales of a TensorRT calibration cache; names may hold ``": "``.

    Raises:
        HooklineError: A line is not ``name: hhhhhhhh``.
    """
    header, *lines = text.splitlines() or [""]
    scales: dict[str, float] = {}
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        try:
            name, value = line.rsplit(": ", 1)
            (scales[name],) = struct.unpack(">f", bytes.fromhex(value.strip()))
        except (ValueError, struct.error) as error:
            raise HooklineError(
                f"line {number} of the calibration cache is {line!r}", "expected 'tensor name: 8 hexadecimal digits'"
            ) from error
    return header, scales
