"""The CUDA sources, and NVRTC by ctypes: source to PTX."""

from __future__ import annotations

import ctypes.util
import functools
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import UnavailableError

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


@functools.cache
def library(major: str = "") -> ctypes.CDLL:
    """The library: as the linker finds it, or of the package ``nvidia-cuda-nvrtc``.

    Args:
        major: Of its CUDA, e.g. ``12``; empty for the newest. Drivers cannot read the PTX of a newer one.

    Raises:
        UnavailableError: There is none.
    """
    for name in _candidates(f".{major}" if major else ""):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    package = "nvidia-cuda-nvrtc-cu12" if major == "12" else "nvidia-cuda-nvrtc"
    wanted = f"no NVRTC of CUDA {major}" if major else "no NVRTC"
    raise UnavailableError(
        f"{wanted}, the compiler of CUDA sources", f"pip install {package}, or install the CUDA toolkit"
    )


def _candidates(ending: str) -> Iterator[str]:
    yield from [f"libnvrtc.so{ending}"] if ending else ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so")
    found = ctypes.util.find_library("nvrtc")
    if found and found.endswith(ending):
        yield found
    package = importlib.util.find_spec("nvidia")
    for folder in (package.submodule_search_locations or []) if package else []:
        yield from map(str, sorted(Path(folder).glob(f"**/libnvrtc.so{ending or '.*'}"), reverse=True))


@functools.cache
def ptx(source: str, name: str, options: tuple[str, ...], major: str = "") -> bytes:
    """Compile a source that needs no headers.

    Args:
        source: The text.
        name: What messages call it.
        options: Options of NVRTC, e.g. ``--gpu-architecture=compute_75``.
        major: Of NVRTC; empty for the newest.

    Returns:
        PTX, without the zero at the end.

    Raises:
        UnavailableError: There is no NVRTC.
        RuntimeError: It does not compile; holds the log.
    """
    nvrtc, program = library(major), ctypes.c_void_p()
    _check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), name.encode(), 0, None, None), name)
    try:
        failed = nvrtc.nvrtcCompileProgram(program, len(options), _strings(options))
        if failed:
            raise RuntimeError(f"NVRTC cannot compile {name}:\n{_text(nvrtc, program, 'ProgramLog').decode()}")
        return _text(nvrtc, program, "PTX")
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _strings(values: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * len(values))(*(value.encode() for value in values))


def _text(nvrtc: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> bytes:
    """The log or the result of a program."""
    size = ctypes.c_size_t()
    _check(getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)), what)
    text = ctypes.create_string_buffer(size.value)
    _check(getattr(nvrtc, f"nvrtcGet{what}")(program, text), what)
    return text.value


def _check(status: int, what: str) -> None:
    if status:
        raise RuntimeError(f"NVRTC failed with status {status} at {what}")
