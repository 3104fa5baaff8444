"""The work of the stage: export to ONNX, simplify, and compare the outputs with PyTorch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import onnxsim
from numpy.typing import NDArray

from core.artifacts import Checkpoint, OnnxModel
from core.errors import HooklineError, shown
from core.files.paths import output_path
from core.kinds.context import RunContext
from core.kinds.head import Head, PixelHead, Shape
from core.kinds.session import Session
from core.model_facts import InputContract
from core.options.sizes import network_size
from core.storage.metadata import ModelMetadata, to_properties

if TYPE_CHECKING:
    from stages.export.config import ExportConfig

TOLERANCE = 1e-4
"""Maximum difference of outputs up to 1, e.g. scores; for larger outputs relative to their maximum."""

PIXELS = 0.05
"""Maximum difference of decoded boxes in pixels of the network input."""

_DIFFERENCE = {
    "boxes": "{:.1e} pixels (boxes)",
    "scores": "{:.1e} (scores)",
    "outputs": "{:.1e} (relative to the largest value, at least 1)",
}


def compare(model: OnnxModel, head: Head, reference: Session, seed: int) -> str:
    """Compare the outputs of file and checkpoint on the same inputs, with dynamic axes at two sizes.

    Args:
        model: The exported file.
        head: Head of the model; states which outputs are in pixels.
        reference: Session of the checkpoint in PyTorch.
        seed: Seed of the random input.

    Returns:
        A line with the maximum differences.

    Raises:
        HooklineError: They differ by more than :data:`TOLERANCE` or :data:`PIXELS`.
    """
    worst: dict[str, float] = {}
    session = _opened(model)
    for images in _inputs(model, seed):
        expected = reference.run(images)
        found = session.run(None, {model.contract.name: images})
        for name, values in zip(expected, found, strict=True):
            for kind, difference in _differences(head, expected[name], values).items():
                worst[kind] = float(np.maximum(worst.get(kind, 0.0), difference))  # keeps NaN, unlike max()
    differences = " and ".join(_DIFFERENCE[kind].format(value) for kind, value in worst.items())
    # Every comparison with NaN is false, so test that all differences are within their limits.
    if not all(value <= (PIXELS if kind == "boxes" else TOLERANCE) for kind, value in worst.items()):
        raise HooklineError(
            f"the outputs of the exported ONNX file differ from PyTorch by up to {differences}",
            f"the limits are {TOLERANCE} and {PIXELS} pixels; try another export.opset, or export.simplify=false",
        )
    return f"the outputs of ONNX Runtime and PyTorch differ by at most {differences}"


def _opened(model: OnnxModel) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(model.path), options, providers=["CPUExecutionProvider"])


def _differences(head: Head, expected: NDArray[np.number], found: NDArray[np.number]) -> dict[str, float]:
    if expected.shape != found.shape:
        raise HooklineError(
            f"the exported file has an output of shape {list(found.shape)}, but PyTorch returns {list(expected.shape)}",
            "try another export.opset, or export.simplify=false",
        )
    difference = np.abs(expected - found)
    if isinstance(head, PixelHead):
        boxes = head.pixels()
        return {
            "boxes": float(difference[..., boxes].max()),
            "scores": float(np.delete(difference, np.r_[boxes], axis=-1).max()),
        }
    return {"outputs": float(difference.max() / max(1.0, float(np.abs(expected).max())))}


def _inputs(model: OnnxModel, seed: int) -> Iterator[NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    for batch, height, width in _shapes(model.contract, model.facts.max_stride):
        yield _ranged(random.random((batch, 3, height, width), dtype=np.float32), model.contract)
        yield np.repeat(_ranged(_test_image(height, width, model.contract), model.contract)[None], batch, axis=0)


def _shapes(contract: InputContract, stride: int) -> Iterator[tuple[int, int, int]]:
    first = (contract.batch, contract.height, contract.width)
    yield first
    if contract.dynamic:
        steps = {"batch": 1, "height": stride, "width": 2 * stride}
        batch, height, width = (
            size + (step if axis in contract.dynamic else 0)
            for size, (axis, step) in zip(first, steps.items(), strict=True)
        )
        yield batch, height, width


def _ranged(values: NDArray[np.float32], contract: InputContract) -> NDArray[np.float32]:
    """Scale values of 0..1 to the range of the network input."""
    return values * np.float32(255 * contract.scale) + np.float32(contract.offset)


def _test_image(height: int, width: int, contract: InputContract) -> NDArray[np.float32]:
    """Return gradients with grey bars and a bright box: flat, smooth and sharp regions."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    image = np.stack((x / width, y / height, (x + y) / (width + height)))
    image[:, : height // 8] = image[:, -(height // 8) :] = contract.pad_value / 255
    image[:, height // 3 : height // 2, width // 3 : width // 2] = 1.0
    return image


def export_onnx(config: ExportConfig, checkpoint: Checkpoint, context: RunContext) -> OnnxModel:
    """Export the checkpoint into the work directory and verify it.

    Raises:
        HooklineError: The size is not a multiple of the stride, onnxsim fails, or ONNX and PyTorch differ.
    """
    facts = checkpoint.facts
    height, width = network_size(config.imgsz, facts.max_stride)
    contract = context.family(facts.family).preprocessing.contract(
        batch=config.batch, height=height, width=width, dynamic=tuple(axis.value for axis in config.dynamic)
    )
    layout = config.layout or context.family(facts.family).layouts[0]
    head = context.head(facts, layout)
    name = re.sub(r"[^\w.-]", "_", facts.variant)
    target = output_path(context.workdir, f"{name}.onnx")
    family = context.model(facts.family)
    family.export(checkpoint, target, contract=contract, layout=layout, opset=config.opset)
    finish(target, ModelMetadata(facts, contract, layout), head, simplify=config.simplify)
    model = OnnxModel(path=target, facts=facts, contract=contract, layout=layout)
    with family.open(checkpoint, contract, layout=layout, device="cpu") as reference:
        context.note(f"export: {compare(model, head, reference, context.seed)}")
    return model


def finish(path: Path, metadata: ModelMetadata, head: Head, *, simplify: bool) -> None:
    """Simplify the file in place, set output shapes and metadata, and run the ONNX checker."""
    model = onnx.load(path)
    if simplify:
        model = _simplified(model)
    _set_shapes(model, head.outputs(metadata.contract))
    onnx.helper.set_model_props(model, to_properties(metadata))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    hint = "set export.simplify=false to skip the simplification"
    try:
        simplified, same = onnxsim.simplify(model)
    except (RuntimeError, ValueError) as error:
        raise HooklineError(f"onnxsim cannot simplify the graph: {error}", hint) from error
    if not same:
        raise HooklineError("onnxsim changed the outputs of the graph", hint)
    return simplified


def _set_shapes(model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> None:
    """Set the shapes of the outputs in the graph.

    Raises:
        HooklineError: The exporter of the family wrote other outputs than its head states.
    """
    outputs = model.graph.output
    names = [output.name for output in outputs]
    if names != list(shapes):
        raise HooklineError(
            f"the exported file has the outputs {shown(names)}, but the head of its family has {shown(list(shapes))}",
            "report this to the author of the family",
        )
    for output in outputs:
        kind = output.type.tensor_type.elem_type
        output.CopyFrom(onnx.helper.make_tensor_value_info(output.name, kind, shapes[output.name]))
