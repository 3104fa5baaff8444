"""The methods of the ``YoloLayer_TRT`` plugin that TensorRT calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import ModuleType

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
from cuda_plugins.yolo_layer import KERNELS, SOURCE, Decoded, LevelInput, set_addresses, yolo_layer_launch
from cuda_plugins.yolo_layer_settings import Settings


class YoloLayerCallbacks:
    """The plugin of one node, without the TensorRT base classes.

    :func:`cuda_plugins.yolo_layer_plugin.plugin_class` adds the base classes and ``clone``. Each execution context has
    a clone, so that contexts can run at the same time.

    Args:
        trt: The module ``tensorrt``.
        settings: Attributes of the node.
    """

    def __init__(self, trt: ModuleType, settings: Settings) -> None:
        self.plugin_name = OPERATOR
        self.plugin_version = VERSION
        self.plugin_namespace = NAMESPACE
        self.num_outputs = len(OUTPUTS)
        self.trt = trt
        self.settings = settings
        self.fields = fields_of(trt, settings)
        self.prepared: PreparedLaunch | None = None

    def clone(self) -> YoloLayerCallbacks:
        """Return a plugin with the same attributes."""
        raise NotImplementedError

    def get_capability_interface(self, type: object) -> YoloLayerCallbacks:  # noqa: A002, ARG002
        """Return the object that implements a capability: this one implements all."""
        return self

    @reported
    def get_output_data_types(self, input_types: Sequence[object]) -> list[object]:  # noqa: ARG002
        """Return the types of the outputs."""
        return output_types(self.trt)

    @reported
    def get_output_shapes(
        self,
        inputs: Sequence[Sequence[ExprT]],
        shape_inputs: Sequence[Sequence[ExprT]],  # noqa: ARG002
        builder: ExprBuilder[ExprT],
    ) -> list[Sequence[ExprT]]:
        """Return the shapes of the outputs as expressions of the input shapes."""
        return output_shapes(self.trt, inputs, self.settings, builder)

    @reported
    def supports_format_combination(self, pos: int, in_out: Sequence[DynamicPluginTensorDesc], num_inputs: int) -> bool:
        """Return whether the plugin accepts the type and format of tensor ``pos``, given those before it."""
        return supports(self.trt, [tensor.desc for tensor in in_out[: pos + 1]], num_inputs)

    @reported
    def configure_plugin(
        self,
        inputs: Sequence[DynamicPluginTensorDesc],
        outputs: Sequence[DynamicPluginTensorDesc],  # noqa: ARG002
    ) -> None:
        """Check the inputs that TensorRT has chosen."""
        check_channels([tensor.desc.dims for tensor in inputs], self.settings)

    @reported
    def on_shape_change(self, inputs: Sequence[PluginTensorDesc], outputs: Sequence[PluginTensorDesc]) -> None:  # noqa: ARG002
        """Prepare the launch for new input shapes."""
        self.prepared = prepare(self.trt, inputs, self.settings, self.prepared)

    def set_tactic(self, tactic: int) -> None:
        """Do nothing: there is one tactic."""

    @reported
    def attach_to_context(self, resource_context: object) -> YoloLayerCallbacks:  # noqa: ARG002
        """Compile the kernels and return the clone that the execution context uses."""
        for kernel in KERNELS.values():
            loading.load(SOURCE, kernel)
        return self.clone()

    @reported
    def get_fields_to_serialize(self) -> object:
        """Return the fields that TensorRT stores in the engine."""
        return self.trt.PluginFieldCollection(self.fields)

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
        """Launch the kernel on a stream."""
        self.prepared = prepare(self.trt, input_desc, self.settings, self.prepared)
        set_addresses(self.prepared.launch, inputs, Decoded(*outputs))
        loading.launch(self.prepared.launch, stream)


@dataclass(frozen=True)
class PreparedLaunch:
    """A launch, with the input types and shapes that it was prepared for."""

    key: tuple[tuple[object, ...], ...]
    launch: Launch


def prepare(
    trt: ModuleType, inputs: Sequence[PluginTensorDesc], settings: Settings, previous: PreparedLaunch | None
) -> PreparedLaunch:
    """Return the launch for inputs of these types and shapes; reuse ``previous`` if it has the same."""
    key = tuple((desc.type, *desc.dims) for desc in inputs)
    if previous is not None and previous.key == key:
        return previous
    check_channels([desc.dims for desc in inputs], settings)
    launch = yolo_layer_launch(
        [LevelInput(0, *desc.dims[2:4]) for desc in inputs],
        Decoded(0, 0, 0, 0),
        batch=inputs[0].dims[0],
        half=inputs[0].type == trt.DataType.HALF,
        **asdict(settings),
    )
    return PreparedLaunch(key, launch)


def output_shapes(
    trt: ModuleType, heads: Sequence[Sequence[ExprT]], settings: Settings, builder: ExprBuilder[ExprT]
) -> list[Sequence[ExprT]]:
    """Return expressions for [B, 1], [B, N, 4], [B, N] and [B, N], with N = A * sum(H * W)."""
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
    """Return the types of the outputs in order."""
    return [trt.DataType.INT32, trt.DataType.FLOAT, trt.DataType.FLOAT, trt.DataType.INT32]


def supports(trt: ModuleType, tensors: Sequence[PluginTensorDesc], inputs: int) -> bool:
    """Return whether the plugin accepts the last of ``tensors``, given those before it.

    All tensors are linear. The heads are all float32 or all float16; the types of the outputs are fixed.
    """
    last = tensors[-1]
    if last.format != trt.TensorFormat.LINEAR:
        return False
    if len(tensors) > inputs:
        return bool(last.type == output_types(trt)[len(tensors) - 1 - inputs])
    return last.type in {trt.DataType.FLOAT, trt.DataType.HALF} and bool(last.type == tensors[0].type)


def check_channels(heads: Sequence[Sequence[int]], settings: Settings) -> None:
    """Refuse heads that would make the kernel read out of bounds.

    Args:
        heads: Shape of each head, [B, A*(5+nc), H, W]; -1 for a dynamic dimension.
        settings: Attributes of the node.

    Raises:
        HooklineError: A head does not have four dimensions, or its channels do not match anchors and classes.
    """
    wanted = settings.channels(len(heads))
    for head in heads:
        if len(head) != 4 or head[1] != wanted:
            raise HooklineError(
                f"{OPERATOR} does not accept a head of shape {list(head)}",
                f"expected for {settings.num_classes} classes: [batch, {wanted}, height, width]",
            )


def fields_of(trt: ModuleType, settings: Settings) -> list[PluginField]:
    """Return the fields of a node. The caller must keep them: a ``PluginFieldCollection`` does not own their memory."""
    types: dict[np.dtype[np.number], object] = {
        np.dtype(np.int32): trt.PluginFieldType.INT32,
        np.dtype(np.float32): trt.PluginFieldType.FLOAT32,
    }
    return [trt.PluginField(name, array, types[array.dtype]) for name, array in settings.arrays().items()]
