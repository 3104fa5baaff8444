"""Register ``YoloLayer_TRT`` ahead of time: an engine contains the kernel as PTX and runs without Python and plugin.

TensorRT's quickly deployable plugins (``tensorrt.plugin``) take one kernel with the arguments inputs, 32-bit integers
and outputs, in this order. The entry ``yolo_layer_aot`` therefore gets the grid sizes as integers, and the attributes
of the node are constants of the compilation.

A process that parses networks can register this form or :mod:`cuda_plugins.yolo_layer_plugin`, not both.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import GenericAlias, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from core.errors import HooklineError
from cuda_plugins import nvrtc
from cuda_plugins.signature import NAMESPACE, OPERATOR
from cuda_plugins.tensorrt_types import SymInt, TensorDesc, reported
from cuda_plugins.yolo_layer import BLOCKS, CELLS_PER_PART, MAX_PARTS, SOURCE, THREADS
from cuda_plugins.yolo_layer_callbacks import check_channels, output_types
from cuda_plugins.yolo_layer_plugin import registered_form
from cuda_plugins.yolo_layer_settings import TYPES, Settings, from_arrays

if TYPE_CHECKING:
    from tensorrt.plugin import AutoTuneCombination, KernelLaunchParams, SymIntExprs

KERNEL = "yolo_layer_aot"
ARCHITECTURE = "--gpu-architecture=compute_75"
"""PTX for the oldest GPU that CUDA 13 supports; the driver compiles it for the GPU."""


def register(trt: ModuleType, cuda: str = "") -> None:
    """Register the ahead-of-time form once per process. Call this before parsing a network.

    Engines built with it need no registration.

    Args:
        trt: The module ``tensorrt``.
        cuda: Its CUDA major version, which NVRTC must have; empty for the newest NVRTC.

    Raises:
        HooklineError: This process has registered the Python form.
    """
    form = registered_form(trt)
    if form == "python":
        raise HooklineError(
            f"the Python form of {NAMESPACE}::{OPERATOR} is already registered",
            "a process can hold one form only: build ahead-of-time engines in another process",
        )
    if form is None:
        _define(trt, importlib.import_module(f"{trt.__name__}.plugin"), cuda)


def _define(trt: ModuleType, plugin: ModuleType, cuda: str) -> None:
    """Register the three functions that TensorRT calls by their signatures; they accept any number of heads."""
    name = f"{NAMESPACE}::{OPERATOR}"
    heads = dict.fromkeys(("p3", "p4", "p5"), plugin.TensorDesc)
    attributes = {key: _array_of(dtype) for key, dtype in TYPES.items()}
    outputs = GenericAlias(tuple, (plugin.TensorDesc,) * 4)

    def describe(*heads: TensorDesc, **fields: ArrayLike) -> tuple[TensorDesc, ...]:
        return describe_outputs(trt, plugin, heads, from_arrays(fields.items()))

    def implement(*arguments: object) -> tuple[str, bytes, KernelLaunchParams, SymIntExprs]:
        descs: list[TensorDesc] = [argument for argument in arguments if isinstance(argument, plugin.TensorDesc)]
        values = map(np.asarray, arguments[len(descs) : -2])  # then the outputs and the tactic
        return implementation(trt, plugin, descs, from_arrays(zip(TYPES, values, strict=False)), cuda)

    def tune(*arguments: object) -> list[AutoTuneCombination]:
        return [plugin.AutoTuneCombination(combinations(len(arguments) - 1), "LINEAR")]

    result = GenericAlias(tuple, (str, bytes, plugin.KernelLaunchParams, plugin.SymIntExprs))
    plugin.register(name)(_declared(describe, {**heads, **attributes}, outputs))
    plugin.aot_impl(name)(_declared(implement, {**heads, **attributes, "outputs": outputs, "tactic": int}, result))
    plugin.autotune(name)(
        _declared(tune, {**heads, "outputs": outputs}, GenericAlias(list, plugin.AutoTuneCombination))
    )


class _ArrayAlias(GenericAlias):
    """An annotation that TensorRT 10 can pass to ``issubclass``: Python 3.13 has no ``__bases__`` of an alias."""

    __bases__ = (np.ndarray,)


def _array_of(dtype: type[np.int32 | np.float32]) -> GenericAlias:
    """Return the annotation of an array as TensorRT 10 and 11 read it, which may differ from NumPy's ``NDArray``."""
    return _ArrayAlias(np.ndarray, (Any, GenericAlias(np.dtype, (dtype,))))


def _declared(function: Callable[..., object], parameters: Mapping[str, object], result: object) -> object:
    """Give a function the signature that TensorRT reads, and keep its exceptions."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    listed = [inspect.Parameter(name, kind, annotation=annotation) for name, annotation in parameters.items()]
    declared = reported(function)
    vars(declared)["__signature__"] = inspect.Signature(listed, return_annotation=result)
    return declared


def describe_outputs(
    trt: ModuleType, plugin: ModuleType, heads: Sequence[TensorDesc], settings: Settings
) -> tuple[TensorDesc, ...]:
    """Return the descriptions of the outputs."""
    channels = [head.shape_expr[1] for head in heads]
    known = [-1 if size.is_fake or not size.is_constant else size.constant_value() for size in channels]
    if -1 not in known:
        check_channels([(-1, count, -1, -1) for count in known], settings)
    batch, rows = heads[0].shape_expr[0], _rows(heads, settings)
    shapes = ((batch, 1), (batch, rows, 4), (batch, rows), (batch, rows))
    return tuple(plugin.from_shape_expr(shape, kind) for shape, kind in zip(shapes, output_types(trt), strict=True))


def _rows(heads: Sequence[TensorDesc], settings: Settings) -> SymInt:
    """Return N = A * sum(H * W)."""
    grids = [head.shape_expr[2] * head.shape_expr[3] for head in heads]
    cells = functools.reduce(lambda one, other: one + other, grids)
    return cells * int(settings.pairs(len(heads)).shape[1])


def implementation(
    trt: ModuleType, plugin: ModuleType, heads: Sequence[TensorDesc], settings: Settings, cuda: str = ""
) -> tuple[str, bytes, KernelLaunchParams, SymIntExprs]:
    """Return kernel name, PTX, launch, and the integer arguments: H and W of each level."""
    launch = plugin.KernelLaunchParams()
    batch = heads[0].shape_expr[0]
    parts = plugin.min(plugin.cdiv(_rows(heads, settings), CELLS_PER_PART), plugin.cdiv(BLOCKS, batch))
    launch.grid_x = plugin.min(parts, MAX_PARTS)
    launch.grid_y = batch
    launch.block_x = THREADS
    sizes = [head.shape_expr[axis] for head in heads for axis in (2, 3)]
    half = heads[0].dtype == trt.DataType.HALF
    return KERNEL, compiled(settings, len(heads), half, cuda), launch, plugin.SymIntExprs.from_tuple(sizes)


def combinations(heads: int) -> str:
    """Return the types of inputs and outputs for ``tensorrt.plugin``: all heads float32, or all float16."""
    return ",".join(["FP32|FP16"] * heads + ["INT32", "FP32", "FP32", "INT32"])


def compiled(settings: Settings, levels: int, half: bool, cuda: str = "") -> bytes:  # noqa: FBT001
    """Return the PTX of the entry for one node, from the NVRTC of a CUDA major version, or the newest.

    Raises:
        UnavailableError: NVRTC is not installed.
    """
    text = defines(settings, levels, half) + nvrtc.source(SOURCE)
    return nvrtc.ptx(text, f"{SOURCE}.cu", (*nvrtc.OPTIONS, ARCHITECTURE), cuda)


def defines(settings: Settings, levels: int, half: bool) -> str:  # noqa: FBT001
    """Return the attributes as constants, to be put before the source."""
    values = {
        "AOT_LEVELS": levels,
        "AOT_HALF": int(half),
        "AOT_CLASSES": settings.num_classes,
        "AOT_MAX_STRIDE": settings.max_stride,
        "AOT_THRESHOLD": f"{settings.threshold!r}f",
        "AOT_ANCHORS": ", ".join(f"{value!r}f" for value in settings.pairs(levels).ravel().tolist()),
    }
    return "".join(f"#define {name} {value}\n" for name, value in values.items())
