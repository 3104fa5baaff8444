"""The CUDA sources, and NVRTC through ctypes to compile them to PTX."""

from __future__ import annotations

import ctypes.util
import functools
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import UnavailableError

FOLDER = Path(__file__).parent / "kernels"
OPTIONS = ("--std=c++17", "--fmad=false", "--ftz=true")
"""Options for NVRTC and nvcc. Without fused multiply-add a kernel rounds as its NumPy twin. Subnormal float32 are
flushed to zero, because CuPy always compiles so and all compilers must agree."""


def names() -> tuple[str, ...]:
    """Return the names of the sources, for example ``yolo_layer``."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.cu")))


def source(name: str) -> str:
    """Return the text of a source.

    Raises:
        FileNotFoundError: There is no source of this name.
    """
    return (FOLDER / f"{name}.cu").read_text(encoding="utf-8")


@functools.cache
def library(major: str = "") -> ctypes.CDLL:
    """Load NVRTC: as the linker finds it, or from the package ``nvidia-cuda-nvrtc``.

    Args:
        major: CUDA major version, for example ``12``; empty: the newest. Drivers cannot read PTX of a newer version.

    Raises:
        UnavailableError: NVRTC is not installed.
    """
    for name in _candidates(f".{major}" if major else ""):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    package = "nvidia-cuda-nvrtc-cu12" if major == "12" else "nvidia-cuda-nvrtc"
    title = f"NVRTC of CUDA {major}" if major else "NVRTC"
    raise UnavailableError(
        f"{title}, the compiler of CUDA sources, is not installed",
        f"pip install {package}, or install the CUDA toolkit",
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
    """Compile a source without headers.

    Args:
        source: The text.
        name: The name in messages.
        options: Options of NVRTC, for example ``--gpu-architecture=compute_75``.
        major: CUDA major version of NVRTC; empty for the newest.

    Returns:
        PTX, without the final zero.

    Raises:
        UnavailableError: NVRTC is not installed.
        RuntimeError: The source does not compile; the message contains the log.
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
    """Return the log or the result of a program."""
    size = ctypes.c_size_t()
    _check(getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)), what)
    text = ctypes.create_string_buffer(size.value)
    _check(getattr(nvrtc, f"nvrtcGet{what}")(program, text), what)
    return text.value


def _check(status: int, what: str) -> None:
    if status:
        raise RuntimeError(f"NVRTC failed with status {status} at {what}")
