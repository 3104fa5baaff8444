"""NVRTC by ctypes: CUDA source to PTX, on any machine that has the library, with or without a GPU."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import UnavailableError


@functools.cache
def library() -> ctypes.CDLL:
    """The library: as the linker finds it, or of the package ``nvidia-cuda-nvrtc``.

    Raises:
        UnavailableError: There is none.
    """
    for name in _candidates():
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise UnavailableError(
        "no NVRTC, the compiler of CUDA sources", "pip install nvidia-cuda-nvrtc, or install the CUDA toolkit"
    )


def _candidates() -> Iterator[str]:
    yield from ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so")
    if found := ctypes.util.find_library("nvrtc"):
        yield found
    package = importlib.util.find_spec("nvidia")
    for folder in (package.submodule_search_locations or []) if package else []:
        yield from map(str, sorted(Path(folder).glob("**/libnvrtc.so.*"), reverse=True))


def version() -> tuple[int, int]:
    """Major and minor version of NVRTC; a driver reads PTX of its own CUDA version and older."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


@functools.cache
def ptx(source: str, name: str, options: tuple[str, ...]) -> bytes:
    """Compile a source that needs no headers.

    Args:
        source: The text.
        name: What messages call it.
        options: Options of NVRTC, e.g. ``--gpu-architecture=compute_75``.

    Returns:
        PTX, without the zero at the end.

    Raises:
        UnavailableError: There is no NVRTC.
        RuntimeError: It does not compile; holds the log.
    """
    nvrtc, program = library(), ctypes.c_void_p()
    _check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), name.encode(), 0, None, None), name)
    try:
        failed = nvrtc.nvrtcCompileProgram(program, len(options), _strings(options))
        if failed:
            raise RuntimeError(f"NVRTC cannot compile {name}:\n{_text(program, 'ProgramLog').decode()}")
        return _text(program, "PTX")
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _strings(values: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * len(values))(*(value.encode() for value in values))


def _text(program: ctypes.c_void_p, what: str) -> bytes:
    """The log or the result of a program."""
    size = ctypes.c_size_t()
    _check(getattr(library(), f"nvrtcGet{what}Size")(program, ctypes.byref(size)), what)
    text = ctypes.create_string_buffer(size.value)
    _check(getattr(library(), f"nvrtcGet{what}")(program, text), what)
    return text.value


def _check(status: int, what: str) -> None:
    if status:
        raise RuntimeError(f"NVRTC failed with status {status} at {what}")
