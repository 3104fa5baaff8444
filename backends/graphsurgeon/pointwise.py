"""1x1 convolutions of integers as matrix products whose result is float."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from backends.graphsurgeon.topology import is_pointwise, made_by

CONTRIB = "com.microsoft"
TO_NHWC = (0, 2, 3, 1)
TO_NCHW = (0, 3, 1, 2)


def multiply_pointwise(graph: gs.Graph) -> None:
    """Write every 1x1 Conv of dequantised data and weights as ``MatMulIntegerToFloat`` over [N, H, W, C].

    What the Conv gives was float and stays float: the scales and the bias are applied while the integer
    sums are written. A transpose on either side keeps NCHW for everybody else; the runtime removes those
    that meet.
    """
    for node in [item for item in graph.nodes if _multiplies_integers(item)]:
        _replace(graph, node)


def _multiplies_integers(node: gs.Node) -> bool:
    return is_pointwise(node) and all(made_by(tensor, "DequantizeLinear") for tensor in node.inputs[:2])


def _replace(graph: gs.Graph, conv: gs.Node) -> None:
    data, data_scale, data_zero = conv.inputs[0].inputs[0].inputs
    weight, weight_scale, weight_zero = conv.inputs[1].inputs[0].inputs
    result = conv.outputs[0]
    matrix = gs.Constant(f"{weight.name}_matrix", np.ascontiguousarray(weight.values[:, :, 0, 0].T))
    product = gs.Variable(f"{result.name}_nhwc", np.float32, permuted(result.shape, TO_NHWC))
    operands = [
        transpose(graph, f"{conv.name}/ToNhwc", data, TO_NHWC),
        *(matrix, data_scale, weight_scale, data_zero, weight_zero),
        *conv.inputs[2:],
    ]
    conv.outputs.clear()
    graph.layer(op="MatMulIntegerToFloat", domain=CONTRIB, name=conv.name, inputs=operands, outputs=[product])
    transpose(graph, f"{conv.name}/ToNchw", product, TO_NCHW, result)


def transpose(
    graph: gs.Graph, name: str, source: gs.Variable, order: tuple[int, ...], result: gs.Variable | None = None
) -> gs.Variable:
    """Append a Transpose; gives ``result``, made here where it is None."""
    result = result or gs.Variable(f"{name}_output", source.dtype, permuted(source.shape, order))
    graph.layer(op="Transpose", name=name, inputs=[source], outputs=[result], attrs={"perm": list(order)})
    return result


def permuted(shape: list[int | str] | None, order: tuple[int, ...]) -> list[int | str] | None:
    """``shape`` in another order, None where it is not known."""
    return [shape[axis] for axis in order] if shape else None
