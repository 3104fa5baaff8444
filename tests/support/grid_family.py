"""A family without anchors and objectness, to prove that only its head knows its formula.

One output per level, ``s8 s16 ...``, [B, nc+4, H/s, W/s]: the scores of the classes, then the distances of the four
sides from the centre of the cell, in strides. ``ModelFacts.head`` is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from core.artifacts import OnnxModel
from core.detections import Candidates, Filter
from core.errors import HooklineError
from core.kinds.head import DeviceDecode, Shape, batch_axis
from core.kinds.model import ModelFamily
from core.model_facts import InputContract, ModelFacts
from core.storage.metadata import ModelMetadata, OnnxSignature, to_properties

LAYOUT = "grid"
FACTS = ModelFacts("grid", "small", ("person", "dog"), (8, 16))


@dataclass(frozen=True)
class GridHead:
    """Implements :class:`core.kinds.head.Head`."""

    facts: ModelFacts
    layout: str = LAYOUT
    device_decode: DeviceDecode | None = None

    def outputs(self, contract: InputContract) -> Mapping[str, Shape]:
        channels = self.facts.num_classes + 4
        return {
            f"s{stride}": (
                batch_axis(contract),
                channels,
                f"rows{stride}" if "height" in contract.dynamic else contract.height // stride,
                f"columns{stride}" if "width" in contract.dynamic else contract.width // stride,
            )
            for stride in self.facts.strides
        }

    def candidates(self, outputs: Mapping[str, NDArray[Any]], index: int, wanted: Filter) -> Candidates:
        found = [self._level(outputs[f"s{stride}"][index], stride, wanted) for stride in self.facts.strides]
        return Candidates(*(np.concatenate(column) for column in zip(*found, strict=True)))

    def _level(self, level: NDArray[Any], stride: int, wanted: Filter) -> tuple[Any, Any, Any]:
        scores, sides = level[:-4], level[-4:]
        kept = (scores >= wanted.conf) & (scores.max(axis=0) >= wanted.score_threshold)
        if not wanted.multi_label:
            kept &= np.arange(len(scores))[:, None, None] == scores.argmax(axis=0)
        label, y, x = np.nonzero(kept)
        centre = np.stack([x, y, x, y], axis=1) + 0.5
        boxes = (centre + sides[:, y, x].T * [-1, -1, 1, 1]) * stride
        return boxes.astype(np.float32), scores[label, y, x].astype(np.float32), label.astype(np.int32)


def check_head(facts: ModelFacts) -> Iterable[HooklineError]:
    if facts.head:
        yield HooklineError("a grid needs no facts of its head", "export it again")


def recognise(signature: OnnxSignature) -> ModelMetadata | None:
    """Recognise files with outputs named s8 and s16."""
    if list(signature.outputs) != ["s8", "s16"]:
        return None
    return ModelMetadata(ModelFacts("grid", signature.name, FACTS.names, FACTS.strides), signature.contract, LAYOUT)


def family(**changes: Any) -> ModelFamily:
    """Return the descriptor; without ``load`` it has no implementation."""
    given: dict[str, Any] = {
        "name": "grid",
        "summary": "no anchors",
        "load": lambda: None,
        "head": GridHead,
        "layouts": (LAYOUT,),
        "check_head": check_head,
        "recognise": recognise,
    }
    return ModelFamily(**{**given, **changes})


def objects() -> dict[str, NDArray[np.float32]]:
    """Return outputs for a 64x96 input: a person (16, 8, 40, 40) on level 8, a dog (0, 16, 64, 64) on level 16."""
    outputs = {"s8": np.zeros((1, 6, 8, 12), np.float32), "s16": np.zeros((1, 6, 4, 6), np.float32)}
    outputs["s8"][0, :, 2, 3] = [0.9, 0.3, 1.5, 1.5, 1.5, 2.5]
    outputs["s16"][0, :, 2, 1] = [0.1, 0.6, 1.5, 1.5, 2.5, 1.5]
    return outputs


def write_onnx(path: Path, *, ours: bool = True, dynamic: tuple[str, ...] = ()) -> OnnxModel:
    """Write a model with the constant outputs :func:`objects`, plus 0 times the mean of the image."""
    contract = InputContract(1, 64, 96, dynamic)
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    weights = [numpy_helper.from_array(np.zeros(1, np.float32), "zero")]
    values = []
    for name, array in objects().items():
        weights.append(numpy_helper.from_array(array, f"{name}_values"))
        nodes.append(helper.make_node("Add", ["nothing", f"{name}_values"], [name]))
        values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 96])
    graph = helper.make_graph(nodes, "grid", [images], values, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if ours:
        helper.set_model_props(model, to_properties(ModelMetadata(FACTS, contract, LAYOUT)))
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return OnnxModel(path=path, facts=FACTS, contract=contract, layout=LAYOUT)
