"""``YoloLayer_TRT`` ahead of time: the kernel goes into the engine as PTX, which then runs without Python and plugin.

TensorRT's quickly deployable plugins (``tensorrt.plugin``) take one kernel whose arguments are the inputs, 32-bit
integers, and the outputs, in this order. So the entry ``yolo_layer_aot`` gets the sizes of the grids as integers, and
the attributes of the node are constants of the compilation.

Register this form or :mod:`cuda_plugins.yolo_layer_plugin` where a network is parsed, not both.
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
from cuda_plugins import nvrtc as sources
from cuda_plugins.signature import NAMESPACE, OPERATOR
from cuda_plugins.tensorrt_types import SymInt, TensorDesc, reported
from cuda_plugins.yolo_layer import BLOCKS, CELLS_A_PART, MAX_PARTS, SOURCE, THREADS
from cuda_plugins.yolo_layer_callbacks import check_channels, output_types
from cuda_plugins.yolo_layer_plugin import registered_form
from cuda_plugins.yolo_layer_settings import TYPES, Settings, from_arrays

if TYPE_CHECKING:
    from tensorrt.plugin import AutoTuneCombination, KernelLaunchParams, SymIntExprs

KERNEL = "yolo_layer_aot"
ARCHITECTURE = "--gpu-architecture=compute_75"
"""PTX for the oldest GPU of CUDA 13; the driver compiles it for the GPU at hand, and the kernel uses nothing newer."""


def register(trt: ModuleType, cuda: str = "") -> None:
    """Make the ahead-of-time form known to TensorRT, once a process; before a network is parsed.

    Engines made with it need no registration where they run.

    Args:
        trt: The module ``tensorrt``.
        cuda: Major version of CUDA that it is for, and NVRTC is to be of; empty for the newest NVRTC.

    Raises:
        HooklineError: The other form is registered in this process.
    """
    form = registered_form(trt)
    if form == "python":
        raise HooklineError(
            f"the Python form of {NAMESPACE}::{OPERATOR} is registered already",
            "one process holds one form: build ahead-of-time engines in a process of their own",
        )
    if form is None:
        _define(trt, importlib.import_module(f"{trt.__name__}.plugin"), cuda)


def _define(trt: ModuleType, plugin: ModuleType, cuda: str) -> None:
    """The three functions that TensorRT calls by their signatures; they take any number of heads."""
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

    made = GenericAlias(tuple, (str, bytes, plugin.KernelLaunchParams, plugin.SymIntExprs))
    plugin.register(name)(_declared(describe, {**heads, **attributes}, outputs))
    plugin.aot_impl(name)(_declared(implement, {**heads, **attributes, "outputs": outputs, "tactic": int}, made))
    plugin.autotune(name)(
        _declared(tune, {**heads, "outputs": outputs}, GenericAlias(list, plugin.AutoTuneCombination))
    )


def _array_of(dtype: type[np.int32 | np.float32]) -> GenericAlias:
    """The annotation of an array in the form that TensorRT 10 and 11 read, whatever ``NDArray`` is in this NumPy."""
    return GenericAlias(np.ndarray, (Any, GenericAlias(np.dtype, (dtype,))))


def _declared(function: Callable[..., object], parameters: Mapping[str, object], result: object) -> object:
    """Give a function the signature that TensorRT wants to read, its own is more lenient; keep what it raises."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    listed = [inspect.Parameter(name, kind, annotation=annotation) for name, annotation in parameters.items()]
    declared = reported(function)
    vars(declared)["__signature__"] = inspect.Signature(listed, return_annotation=result)
    return declared


def describe_outputs(
    trt: ModuleType, plugin: ModuleType, heads: Sequence[TensorDesc], settings: Settings
) -> tuple[TensorDesc, ...]:
    """Descriptions of the outputs for descriptions of the heads."""
    channels = [head.shape_expr[1] for head in heads]
    known = [-1 if one.is_fake or not one.is_constant else one.constant_value() for one in channels]
    if -1 not in known:
        check_channels([(-1, count, -1, -1) for count in known], settings)
    batch, rows = heads[0].shape_expr[0], _rows(heads, settings)
    shapes = ((batch, 1), (batch, rows, 4), (batch, rows), (batch, rows))
    return tuple(plugin.from_shape_expr(shape, kind) for shape, kind in zip(shapes, output_types(trt), strict=True))


def _rows(heads: Sequence[TensorDesc], settings: Settings) -> SymInt:
    """N = A * sum(H * W)."""
    grids = [head.shape_expr[2] * head.shape_expr[3] for head in heads]
    cells = functools.reduce(lambda one, other: one + other, grids)
    return cells * int(settings.pairs(len(heads)).shape[1])


def implementation(
    trt: ModuleType, plugin: ModuleType, heads: Sequence[TensorDesc], settings: Settings, cuda: str = ""
) -> tuple[str, bytes, KernelLaunchParams, SymIntExprs]:
    """Name of the kernel, PTX, launch, and the integers between the inputs and the outputs: H and W of each level."""
    launch = plugin.KernelLaunchParams()
    batch = heads[0].shape_expr[0]
    parts = plugin.min(plugin.cdiv(_rows(heads, settings), CELLS_A_PART), plugin.cdiv(BLOCKS, batch))
    launch.grid_x = plugin.min(parts, MAX_PARTS)
    launch.grid_y = batch
    launch.block_x = THREADS
    sizes = [head.shape_expr[axis] for head in heads for axis in (2, 3)]
    half = heads[0].dtype == trt.DataType.HALF
    return KERNEL, compiled(settings, len(heads), half, cuda), launch, plugin.SymIntExprs.from_tuple(sizes)


def combinations(heads: int) -> str:
    """Types of inputs and outputs as ``tensorrt.plugin`` writes them: all heads float32, or all float16."""
    return ",".join(["FP32|FP16"] * heads + ["INT32", "FP32", "FP32", "INT32"])


def compiled(settings: Settings, levels: int, half: bool, cuda: str = "") -> bytes:  # noqa: FBT001
    """PTX of the entry for one node, by the NVRTC of a major version of CUDA, or the newest.

    Raises:
        UnavailableError: There is no NVRTC.
    """
    text = defines(settings, levels, half) + sources.source(SOURCE)
    return nvrtc.ptx(text, f"{SOURCE}.cu", (*sources.OPTIONS, ARCHITECTURE), cuda)


def defines(settings: Settings, levels: int, half: bool) -> str:  # noqa: FBT001
    """The attributes as constants, to stand before the source."""
    values = {
        "AOT_LEVELS": levels,
        "AOT_HALF": int(half),
        "AOT_CLASSES": settings.num_classes,
        "AOT_MAX_STRIDE": settings.max_stride,
        "AOT_THRESHOLD": f"{settings.threshold!r}f",
        "AOT_ANCHORS": ", ".join(f"{value!r}f" for value in settings.pairs(levels).ravel().tolist()),
    }
    return "".join(f"#define {name} {value}\n" for name, value in values.items())
