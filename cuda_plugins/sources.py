"""The CUDA sources of this package, and how every compiler is to compile them."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "kernels"
OPTIONS = ("--std=c++17", "--fmad=false", "--ftz=true")
"""For NVRTC and nvcc. Without contraction to fused operations a kernel rounds as its NumPy twin does. Subnormal float32
count as zero: CuPy compiles so whatever it is told, and every other compiler is to do the same."""


def names() -> tuple[str, ...]:
    """The kernels' sources by name, e.g. ``yolo_layer``."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.cu")))


def source(name: str) -> str:
    """The text of one source.

    Raises:
        FileNotFoundError: There is none of this name.
    """
    return (FOLDER / f"{name}.cu").read_text(encoding="utf-8")
