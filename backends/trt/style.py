"""How TensorRT and TensorRT-RTX want their graphs quantised (explicit quantisation).

TensorRT takes symmetric int8 only and no quantised bias. SiLU is not quantised itself, its result is
where the next convolution takes it; Concat, MaxPool and Resize keep one scale from end to end, which
saves conversions between int8 and float; the shortcut of a residual Add is quantised, its other branch
is not, so that convolution and sum become one kernel. The types of a strongly typed network are those of the graph:
what is not int8 must say itself that it wants to be float16.
"""

from __future__ import annotations

from core.quantizing import QdqStyle

STYLE = QdqStyle(
    symmetric=True,
    through=frozenset({"Concat", "MaxPool", "Resize"}),
    one_range=frozenset({"Concat", "MaxPool", "Resize"}),
    shortcut=True,
    half=True,
)
