"""Compile the sources of the kernels with g++ and ``shim/shim.h``, and run them on the CPU."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cuda_plugins import nvrtc
from cuda_plugins.launches import Launch, Triple

SHIM = Path(__file__).parent / "shim" / "shim.h"
OPTIONS = ["-std=c++17", "-O2", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-Wno-unknown-pragmas", "-shared", "-fPIC"]
ENTRY = """
extern "C" void run(const unsigned int *grid, const unsigned int *block, void *const *arguments) {{
    shim::launch({{grid[0], grid[1], grid[2]}}, {{block[0], block[1], block[2]}},
                 [=] {{ shim::call({kernel}, arguments); }});
}}
extern "C" size_t size() {{ return shim::size({kernel}); }}
"""


@functools.cache
def library(source: str, kernel: str, prefix: str = "") -> ctypes.CDLL:
    """Compile and load one kernel of a source after ``prefix``; skip the test without g++."""
    path = compiled(source, kernel, prefix)
    loaded = ctypes.CDLL(str(path))
    loaded.size.restype = ctypes.c_size_t
    shutil.rmtree(path.parent)
    return loaded


def compiled(source: str, kernel: str, prefix: str = "") -> Path:
    """Compile a kernel to a shared library in a new folder."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to run the kernels on the CPU")
    folder = Path(tempfile.mkdtemp(prefix="hookline-shim-"))
    code, target = folder / f"{source}.cpp", folder / f"{source}.so"
    entry = ENTRY.format(kernel=kernel)
    text = f'{prefix}\n#line 1 "{source}.cu"\n{nvrtc.source(source)}'
    code.write_text(f'#include "{SHIM}"\n{text}\n{entry}', encoding="utf-8")
    subprocess.run([compiler, *OPTIONS, str(code), "-o", str(target)], check=True)
    return target


def run(launch: Launch) -> None:
    """Run one launch; device addresses are addresses of NumPy arrays."""
    compiled = library(launch.source, launch.kernel)
    run_with(compiled, launch.grid, launch.block, [launch.argument])


def run_with(compiled: ctypes.CDLL, grid: Triple, block: Triple, arguments: Sequence[np.ndarray]) -> None:
    """Run a kernel with any arguments, each an array of one element."""
    assert compiled.size() == sum(argument.itemsize for argument in arguments), "the kernel has other arguments"
    triple = ctypes.c_uint * 3
    addresses = (ctypes.c_void_p * len(arguments))(*(argument.ctypes.data for argument in arguments))
    compiled.run(triple(*grid), triple(*block), addresses)


def dirty(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return an array aligned to 16 bytes and filled with garbage, as uninitialised device memory."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.full(size + 16, 0xAB, np.uint8)
    start = -memory.ctypes.data % 16
    return memory[start : start + size].view(dtype).reshape(shape)


def decode_memory(heads: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return copies of the heads, and the outputs of ``YoloLayer_TRT`` for three anchors, in :func:`dirty` memory."""
    inputs = [dirty(head.shape, head.dtype) for head in heads]
    for place, head in zip(inputs, heads, strict=True):
        place[...] = head
    batch, rows = len(heads[0]), 3 * sum(head.shape[2] * head.shape[3] for head in heads)
    shapes = [(batch, 1), (batch, rows, 4), (batch, rows), (batch, rows)]
    types = [np.int32, np.float32, np.float32, np.int32]
    return inputs, [dirty(shape, dtype) for shape, dtype in zip(shapes, types, strict=True)]
