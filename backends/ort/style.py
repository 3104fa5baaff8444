"""How ONNX Runtime on x86 wants its graphs quantised; each choice was measured (docs/benchmarks.md)."""

from __future__ import annotations

from core.quantizing import QdqStyle

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
