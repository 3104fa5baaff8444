"""Options of the runtime ``onnxruntime``, and how it wants graphs quantised."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from core.kinds.quantizer import QdqStyle
from core.options.fields import presentation
from core.options.ranges import NonNegative, Range

# SiLU runs in float between its convolutions: on CPUs with wide vectors QuickGelu with its Q/DQ is faster
# than QLinearSigmoid and QLinearMul, and x is rounded once instead of three times. The first convolution
# has three input channels, which suits no integer kernel: it takes twice its time in float. With up to 32
# channels the integer kernels gain less than the conversions around them cost. A 1x1 convolution that gives
# floats saves a rounding and DequantizeLinear, which runs on one thread; so does Resize, slowly for uint8 in NHWC.
STYLE = QdqStyle(
    symmetric=False,
    outputs=True,
    through=frozenset({"Add", "Concat", "MaxPool", "Resize"}),
    one_range=frozenset({"Concat", "MaxPool", "Resize"}),
    bias=True,
    fused_silu=True,
    float_stem=True,
    float_channels=32,
    pointwise=True,
    copied_pixels=True,
    channels_last=True,
)


class Optimisation(str, Enum):
    """How far ONNX Runtime rewrites the graph.

    ``all`` includes layouts for the vector width of this CPU: the engine opens fastest and runs on CPUs
    of the same kind only. ``extended`` leaves these to the moment of opening: slower to open, as fast
    to run, and good for other CPUs of the architecture. ``none`` keeps the graph as it is, to debug.
    """

    all = "all"
    extended = "extended"
    none = "none"


@dataclass
class OrtOptions:
    """Options of the runtime ``onnxruntime``.

    Attributes:
        threads: For one inference; 0 takes the cores that this process may use.
        optimisation: Of the graph that an engine holds; ONNX files are always opened with ``all``.
        spin: Microseconds that a thread waits for work in a loop before it sleeps. 0, sleeping at once,
            is slower on an idle machine; ONNX Runtime's own, some 1000, takes the cores from decoding
            and encoding and is several times slower beside other work. 100 is 3 % faster than 20 for
            one INT8 picture, and slower by as much beside the encoding of video.
    """

    threads: Annotated[int, Range(0, 1024)] = presentation(default=0)
    optimisation: Optimisation = Optimisation.all
    spin: NonNegative = presentation(default=100)
