"""How ONNX Runtime on x86 wants its graphs quantised; each choice was measured (docs/benchmarks.md)."""

from __future__ import annotations

from backends.graphsurgeon.style import QdqStyle

# SiLU runs in float between its convolutions: on CPUs with wide vectors QuickGelu with its Q/DQ is faster
# than QLinearSigmoid and QLinearMul, and x is rounded once instead of three times. The first convolution
# has three input channels, which suits no integer kernel: it takes twice its time in float.
STYLE = QdqStyle(
    runtime="onnxruntime",
    symmetric=False,
    outputs=True,
    through=frozenset({"Add", "Concat", "MaxPool", "Resize"}),
    one_range=frozenset({"Concat", "MaxPool", "Resize"}),
    shortcut=False,
    bias=True,
    fused_silu=True,
    float_stem=True,
)
