"""The graft of the family: the decode of ``head.py`` in plain ONNX operators, which every runtime has.

Each cell keeps its row, in the order of level, y, x; rows below the threshold are zero. So no size depends on the data,
and one graph serves ONNX Runtime, TensorRT and its RTX edition.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hookline import BOXES, CLASSES, NUM, SCORES, Head, HooklineError, QuantizedModel
from hookline_anchorfree.head import NAMES

MIN_OPSET = 13
"""From here on ``Split``, ``Unsqueeze`` and ``ReduceSum`` take sizes and axes as inputs."""
PREFIX = "decode/"


class AnchorFreeGraft:
    """Implements hookline's ``GraftBackend``."""

    def append(self, model: QuantizedModel, head: Head, target: Path, *, score_threshold: float) -> tuple[str, ...]:
        """Write ``model`` with the decode step to ``target``; it needs no operator beyond the standard ones.

        Raises:
            HooklineError: The model does not end in the outputs of an anchor-free head.
        """
        source = onnx.load(model.path)
        names = [output.name for output in source.graph.output]
        if names != list(head.outputs(model.contract)) or names != list(NAMES):
            raise HooklineError(f"'{model.path.name}' does not end in {', '.join(NAMES)}", "export the model again")
        if (opset := _opset(source)) < MIN_OPSET:
            raise HooklineError(f"'{model.path.name}' has opset {opset}", f"set export.opset={MIN_OPSET} or later")
        decode = Decode(head.facts.num_classes)
        decode.build(head.facts.strides, score_threshold)
        shapes = [output.type.tensor_type.shape.dim for output in source.graph.output]
        source.graph.node.extend(decode.nodes)
        source.graph.initializer.extend(decode.constants)
        del source.graph.output[:]
        source.graph.output.extend(_outputs(shapes))
        onnx.checker.check_model(source)
        onnx.save(source, target)
        return ()


class Decode:
    """Collects the nodes and constants of the decode.

    Args:
        num_classes: Number of classes.
    """

    def __init__(self, num_classes: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._split = self.constant("split", [1, 1, 2, 1, num_classes])
        self._first, self._second, self._third = (self.constant(f"axis{axis}", [axis]) for axis in (1, 2, 3))
        self._zero, self._one = self.constant("zero", np.float32(0)), self.constant("one", np.float32(1))
        self._flat = self.constant("flat", [0, -1])
        self._flat_box = self.constant("flat_box", [0, 4, -1])

    def build(self, strides: Sequence[int], threshold: float) -> None:
        """Add the decode of all levels, down to the four outputs that all grafts give."""
        levels = [self._level(name, stride) for name, stride in zip(NAMES, strides, strict=True)]
        corners, objectness, best, number = (list(parts) for parts in zip(*levels, strict=True))
        boxes = self.add("Transpose", self.add("Concat", *corners, axis=2), perm=[0, 2, 1])
        objectness_row, best_row = self.add("Concat", *objectness, axis=1), self.add("Concat", *best, axis=1)
        class_row = self.add("Cast", self.add("Concat", *number, axis=1), to=TensorProto.INT32)
        keep = self.add("GreaterOrEqual", objectness_row, self.constant("threshold", np.float32(threshold)))
        scores, kept = self.add("Mul", objectness_row, best_row), self.add("Cast", keep, to=TensorProto.INT32)
        self.add("ReduceSum", kept, self._first, keepdims=1, to_output=NUM)
        self.add("Where", self.add("Unsqueeze", keep, self._second), boxes, self._zero, to_output=BOXES)
        self.add("Where", keep, scores, self._zero, to_output=SCORES)
        self.add("Where", keep, class_row, self.constant("no_class", np.int32(0)), to_output=CLASSES)

    def _level(self, name: str, stride: int) -> tuple[str, str, str, str]:
        """Return corners [B, 4, HW], and per cell [B, HW] objectness, best class score and its class."""
        x, y, size, objectness, classes = self.add_many("Split", 5, name, self._split, axis=1)
        shape = self.add("Shape", name)
        columns = self._range(shape, 3, self._third, [1, 1, 1, -1])
        rows = self._range(shape, 2, self._second, [1, 1, -1, 1])
        centre = self.add("Concat", self.add("Add", x, columns), self.add("Add", y, rows), axis=1)
        pixels = self.constant(f"stride{stride}", np.float32(stride))
        half = self.add("Mul", self.add("Exp", size), self.constant(f"half{stride}", np.float32(stride / 2)))
        middle = self.add("Mul", centre, pixels)
        corners = self.add("Concat", self.add("Sub", middle, half), self.add("Add", middle, half), axis=1)
        best, number = self.add_many("TopK", 2, classes, self._first, axis=1)  # of equal scores the first
        flat = [self.add("Reshape", value, self._flat) for value in (objectness, best, number)]
        return self.add("Reshape", corners, self._flat_box), flat[0], flat[1], flat[2]

    def _range(self, shape: str, axis: int, position: str, target: list[int]) -> str:
        """Return 0, 1, 2, ... along an axis of a level, as float32."""
        size = self.add("Squeeze", self.add("Gather", shape, position), self.constant("axis0", [0]))
        count = self.add("Cast", size, to=TensorProto.FLOAT)
        row = self.add("Range", self._zero, count, self._one)
        return self.add("Reshape", row, self.constant(f"along{axis}", target))

    def constant(self, name: str, value: object) -> str:
        """Add a constant, int64 unless it is a NumPy array of another type; an existing one of that name is kept."""
        if all(item.name != PREFIX + name for item in self.constants):
            self.constants.append(numpy_helper.from_array(np.asarray(value), PREFIX + name))
        return PREFIX + name

    def add(self, operator: str, *inputs: str, to_output: str = "", **attributes: object) -> str:
        """Add a node of one output."""
        (output,) = self.add_many(operator, 1, *inputs, to_output=to_output, **attributes)
        return output

    def add_many(
        self, operator: str, count: int, *inputs: str, to_output: str = "", **attributes: object
    ) -> tuple[str, ...]:
        """Add a node and return the names of its outputs."""
        title = f"{PREFIX}{operator}_{len(self.nodes)}"
        outputs = (to_output,) if to_output else tuple(f"{title}:{index}" for index in range(count))
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=title, **attributes))
        return outputs


def _opset(model: onnx.ModelProto) -> int:
    return next((item.version for item in model.opset_import if item.domain in {"", "ai.onnx"}), 0)


def _outputs(levels: Sequence[Sequence[onnx.TensorShapeProto.Dimension]]) -> list[onnx.ValueInfoProto]:
    """Return the four outputs; rows have a number where all levels have a static size."""
    batch = levels[0][0].dim_param or levels[0][0].dim_value
    sides = [(level[2].dim_value, level[3].dim_value) for level in levels]
    rows = sum(height * width for height, width in sides) if all(map(all, sides)) else "rows"
    return [
        helper.make_tensor_value_info(NUM, TensorProto.INT32, [batch, 1]),
        helper.make_tensor_value_info(BOXES, TensorProto.FLOAT, [batch, rows, 4]),
        helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, [batch, rows]),
        helper.make_tensor_value_info(CLASSES, TensorProto.INT32, [batch, rows]),
    ]
