"""``YoloLayer_TRT`` as a TensorRT plugin in Python: ``IPluginV3``, for TensorRT 10 and 11.

An engine with it needs this creator wherever it runs (:mod:`cuda_plugins.yolo_layer_aot` makes engines that
do not). The classes are made when TensorRT is at hand, since their bases are its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Literal

import numpy as np

from core.errors import HooklineError
from cuda_plugins import loading
from cuda_plugins.launches import Launch
from cuda_plugins.signature import NAMESPACE, OPERATOR, OUTPUTS, VERSION
from cuda_plugins.tensorrt_types import (
    DynamicPluginTensorDesc,
    ExprBuilder,
    ExprT,
    PluginField,
    PluginTensorDesc,
    reported,
)
from cuda_plugins.yolo_layer import KERNELS, SOURCE, Decoded, LevelInput, place, yolo_layer_launch
from cuda_plugins.yolo_layer_settings import Settings, from_arrays

_registered: list[object] = []


def register(trt: ModuleType) -> None:
    """Make the plugin known to TensorRT, once a process; before a network is parsed or an engine deserialised.

    Args:
        trt: The module ``tensorrt``.

    Raises:
        HooklineError: TensorRT refuses it, or the ahead-of-time form is registered in this process.
    """
    form = registered_form(trt)
    if form == "ahead of time":
        raise HooklineError(
            f"the ahead-of-time form of {NAMESPACE}::{OPERATOR} is registered already",
            "one process holds one form: run this in a process of its own",
        )
    if form is None:
        creator = creator_class(trt)()
        if not trt.get_plugin_registry().register_creator(creator, NAMESPACE):
            raise HooklineError(
                f"TensorRT {trt.__version__} does not take the plugin {NAMESPACE}::{OPERATOR}", "its log says why"
            )
        _registered.append(creator)


def registered_form(trt: ModuleType) -> Literal["python", "ahead of time"] | None:
    """Which form of the plugin is registered in this process. Asking logs nothing, as ``get_creator`` would."""
    wanted, quick = (OPERATOR, VERSION, NAMESPACE), getattr(trt, "IPluginCreatorV3Quick", ())  # since TensorRT 10.6
    for one in trt.get_plugin_registry().all_creators:
        names = (getattr(one, name, "") for name in ("name", "plugin_version", "plugin_namespace"))
        if tuple(names) == wanted:
            return "ahead of time" if isinstance(one, quick) else "python"
    return None


@functools.cache
def creator_class(trt: ModuleType) -> Callable[[], object]:
    """The subclass of this TensorRT's ``IPluginCreatorV3One``."""

    class YoloLayerCreator(trt.IPluginCreatorV3One):  # type: ignore[misc, name-defined]
        """Makes plugins of the attributes of a node, or of the fields in an engine."""

        def __init__(self) -> None:
            trt.IPluginCreatorV3One.__init__(self)
            self.name = OPERATOR
            self.plugin_version = VERSION
            self.plugin_namespace = NAMESPACE
            self.fields = fields_of(trt, Settings(1, 1, (1.0, 1.0)))
            self.field_names = trt.PluginFieldCollection(self.fields)

        @reported
        def create_plugin(self, name: str, field_collection: Iterable[PluginField], phase: object) -> object:  # noqa: ARG002
            return plugin_class(trt)(from_arrays((field.name, field.data) for field in field_collection))

    return YoloLayerCreator


@functools.cache
def plugin_class(trt: ModuleType) -> Callable[[Settings], object]:
    """The subclass of this TensorRT's ``IPluginV3`` and its capabilities."""

    class YoloLayer(trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):  # type: ignore[misc, name-defined]
        """One node. A clone is of its own: contexts run side by side."""

        def __init__(self, settings: Settings) -> None:
            for base in (trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):
                base.__init__(self)
            self.plugin_name = OPERATOR
            self.plugin_version = VERSION
            self.plugin_namespace = NAMESPACE
            self.num_outputs = len(OUTPUTS)
            self.settings = settings
            self.fields = fields_of(trt, settings)
            self.prepared: Prepared | None = None

        def get_capability_interface(self, type: object) -> YoloLayer:  # noqa: A002, ARG002
            return self

        @reported
        def clone(self) -> YoloLayer:
            return YoloLayer(self.settings)

        @reported
        def get_output_data_types(self, input_types: Sequence[object]) -> list[object]:  # noqa: ARG002
            return output_types(trt)

        @reported
        def get_output_shapes(
            self,
            inputs: Sequence[Sequence[ExprT]],
            shape_inputs: Sequence[Sequence[ExprT]],  # noqa: ARG002
            builder: ExprBuilder[ExprT],
        ) -> list[Sequence[ExprT]]:
            return output_shapes(trt, inputs, self.settings, builder)

        @reported
        def supports_format_combination(
            self, pos: int, in_out: Sequence[DynamicPluginTensorDesc], num_inputs: int
        ) -> bool:
            return supports(trt, [tensor.desc for tensor in in_out[: pos + 1]], num_inputs)

        @reported
        def configure_plugin(
            self,
            inputs: Sequence[DynamicPluginTensorDesc],
            outputs: Sequence[DynamicPluginTensorDesc],  # noqa: ARG002
        ) -> None:
            check_channels([tensor.desc.dims for tensor in inputs], self.settings)

        @reported
        def on_shape_change(self, inputs: Sequence[PluginTensorDesc], outputs: Sequence[PluginTensorDesc]) -> None:  # noqa: ARG002
            self.prepared = prepare(trt, inputs, self.settings, self.prepared)

        def set_tactic(self, tactic: int) -> None:
            """There is one way only."""

        @reported
        def attach_to_context(self, resource_context: object) -> YoloLayer:  # noqa: ARG002
            for kernel in KERNELS.values():
                loading.load(SOURCE, kernel)
            return self.clone()

        @reported
        def get_fields_to_serialize(self) -> object:
            return trt.PluginFieldCollection(self.fields)

        @reported
        def enqueue(  # noqa: PLR0917
            self,
            input_desc: Sequence[PluginTensorDesc],
            output_desc: Sequence[PluginTensorDesc],  # noqa: ARG002
            inputs: Sequence[int],
            outputs: Sequence[int],
            workspace: int,  # noqa: ARG002
            stream: int,
        ) -> None:
            self.prepared = prepare(trt, input_desc, self.settings, self.prepared)
            place(self.prepared.launch, inputs, Decoded(*outputs))
            loading.launch(self.prepared.launch, stream)

    return YoloLayer


@dataclass(frozen=True)
class Prepared:
    """A launch, and the shapes and types that it is for."""

    key: tuple[tuple[object, ...], ...]
    launch: Launch


def prepare(
    trt: ModuleType, inputs: Sequence[PluginTensorDesc], settings: Settings, before: Prepared | None
) -> Prepared:
    """The launch for inputs of these descriptions: the one before where it fits."""
    key = tuple((desc.type, *desc.dims) for desc in inputs)
    if before is not None and before.key == key:
        return before
    check_channels([desc.dims for desc in inputs], settings)
    launch = yolo_layer_launch(
        [LevelInput(0, *desc.dims[2:4]) for desc in inputs],
        Decoded(0, 0, 0, 0),
        batch=inputs[0].dims[0],
        half=inputs[0].type == trt.DataType.HALF,
        **asdict(settings),
    )
    return Prepared(key, launch)


def output_shapes(
    trt: ModuleType, heads: Sequence[Sequence[ExprT]], settings: Settings, builder: ExprBuilder[ExprT]
) -> list[Sequence[ExprT]]:
    """Expressions for [B, 1], [B, N, 4], [B, N] and [B, N], with N = A * sum(H * W)."""
    anchors = settings.pairs(len(heads)).shape[1]
    cells = builder.constant(0)
    for head in heads:
        cells = builder.operation(
            trt.DimensionOperation.SUM, cells, builder.operation(trt.DimensionOperation.PROD, head[2], head[3])
        )
    rows = builder.operation(trt.DimensionOperation.PROD, cells, builder.constant(anchors))
    batch = heads[0][0]
    shapes = ([batch, builder.constant(1)], [batch, rows, builder.constant(4)], [batch, rows], [batch, rows])
    return [trt.DimsExprs(shape) for shape in shapes]


def output_types(trt: ModuleType) -> list[object]:
    """Types of the outputs in their order."""
    return [trt.DataType.INT32, trt.DataType.FLOAT, trt.DataType.FLOAT, trt.DataType.INT32]


def supports(trt: ModuleType, tensors: Sequence[PluginTensorDesc], inputs: int) -> bool:
    """Whether the last of ``tensors`` may be so: linear, heads of one float type, outputs of theirs."""
    last = tensors[-1]
    if last.format != trt.TensorFormat.LINEAR:
        return False
    if len(tensors) > inputs:
        return bool(last.type == output_types(trt)[len(tensors) - 1 - inputs])
    return last.type in {trt.DataType.FLOAT, trt.DataType.HALF} and bool(last.type == tensors[0].type)


def check_channels(heads: Sequence[Sequence[int]], settings: Settings) -> None:
    """Refuse heads that the kernel would read past the end of.

    Args:
        heads: [B, A*(5+nc), H, W] each, -1 where still open.
        settings: Attributes of the node.

    Raises:
        HooklineError: Other than four dimensions, or channels that do not fit anchors and classes.
    """
    wanted = settings.channels(len(heads))
    for head in heads:
        if len(head) != 4 or head[1] != wanted:
            raise HooklineError(
                f"{OPERATOR} got a head of shape {list(head)}",
                f"[batch, {wanted}, height, width] goes with its {settings.num_classes} classes and anchors",
            )


def fields_of(trt: ModuleType, settings: Settings) -> list[PluginField]:
    """The fields of a node. A ``PluginFieldCollection`` does not keep their memory, so whoever makes one keeps them."""
    types: dict[np.dtype[np.number], object] = {
        np.dtype(np.int32): trt.PluginFieldType.INT32,
        np.dtype(np.float32): trt.PluginFieldType.FLOAT32,
    }
    return [trt.PluginField(name, array, types[array.dtype]) for name, array in settings.arrays().items()]
