"""What the process that builds is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backends.trt.profiles import Profile


@dataclass(frozen=True)
class Job:
    """One engine to build.

    Attributes:
        model: The ONNX file.
        target: The plan file to write.
        cards: Compute capabilities, e.g. ``sm89``; none leaves the choice to TensorRT-RTX.
        profile: Sizes of the input, None where they are static.
    """

    model: Path
    target: Path
    cards: tuple[str, ...] = ()
    profile: Profile | None = None
