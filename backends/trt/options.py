"""Options of the runtime ``tensorrt``, and its rules for Q/DQ pairs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from core.kinds.quantizer import QdqStyle
from core.model_facts import Int8Route
from core.options.fields import presentation
from core.options.ranges import NonNegative, PositiveFloat, Range


class Hardware(str, Enum):
    """The GPUs that an engine fits: ``this`` model, or a group of models, for which it is slower."""

    this = "this"
    ampere_plus = "ampere_plus"
    same_compute_capability = "same_compute_capability"


class PluginForm(str, Enum):
    """Where the code of ``YoloLayer_TRT`` is: in hookline, or in the engine."""

    python = "python"
    ahead_of_time = "ahead_of_time"


class Method(str, Enum):
    """How TensorRT finds the ranges if it quantises; ``table`` uses those of the stage calibrate."""

    minmax = "minmax"
    entropy = "entropy"
    table = "table"


@dataclass
class TrtOptions:
    """Options of the runtime ``tensorrt``. null leaves the choice to TensorRT.

    Attributes:
        int8: How a model is quantised. ``qdq``: the stage quantize inserts Q/DQ pairs into the graph. ``calibrator``:
            TensorRT up to 10 quantises the float32 model during the build, with the images of ``calibrate``.
        method: For ``int8=calibrator``: ``minmax`` or ``entropy`` of TensorRT; ``table``: the ranges of ``calibrate``.
        workspace: Maximum scratch memory of a kernel in GiB; null: all GPU memory.
        optimization_level: 0 to 5: how long to search for kernels; null: 3.
        tactic_sources: Libraries that kernels are taken from, for example ``[CUBLAS_LT]``; null: TensorRT's choice.
        tf32: Allow TF32 (10 bits of mantissa) in float32 convolutions, on GPUs that support it.
        hardware: The GPUs that the engine fits.
        version_compatible: Build an engine that later releases can open too. It is larger, and opening it runs host
            code from the plan.
        dla: Number of a DLA core to run on; layers that it does not support run on the GPU.
        plugin: With `python` the engine needs hookline to run; `ahead_of_time` stores the code of the plugin in the
            engine, for trtexec, Triton and C++.
        timing_cache: Keep kernel timings for later builds.
        graphs: Launch repeated work as CUDA graphs.
    """

    int8: Int8Route = Int8Route.qdq
    method: Method = Method.minmax
    workspace: PositiveFloat | None = None
    optimization_level: Annotated[int, Range(0, 5)] | None = None
    tactic_sources: list[str] | None = None
    tf32: bool = True
    hardware: Hardware = Hardware.this
    version_compatible: bool = False
    dla: NonNegative | None = None
    plugin: PluginForm = PluginForm.python
    timing_cache: bool = presentation(default=True)
    graphs: bool = presentation(default=True)


STYLE = QdqStyle(
    symmetric=True,
    through=frozenset({"Concat", "MaxPool", "Resize"}),
    one_range=frozenset({"Concat", "MaxPool", "Resize"}),
    shortcut=True,
    half=True,
)
