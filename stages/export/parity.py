"""Compares an exported file with the network it was exported from, on seeded random and on structured input."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from core.artifacts import InputContract, OnnxModel
from core.errors import HooklineError
from core.head import Head, PixelHead
from core.parts import Session

TOLERANCE = 1e-4
"""Largest difference of values up to 1, e.g. scores; of larger ones relative to the largest of the output."""

PIXELS = 0.05
"""Largest difference of decoded box values, in pixels of the network input."""


def compare(model: OnnxModel, head: Head, reference: Session, seed: int) -> str:
    """Run both on the same input, where axes are dynamic at two sizes.

    Args:
        model: The exported file.
        head: Says which values are in pixels.
        reference: The checkpoint in its own framework.
        seed: Of the random input.

    Returns:
        A line with the largest difference seen.

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
                worst[kind] = float(np.maximum(worst.get(kind, 0.0), difference))  # keeps NaN, max() does not
    differences = ", ".join(f"{kind} {value:.1e}" for kind, value in worst.items())
    # NaN compares false with everything, so the question is asked the other way round.
    if not all(value <= (PIXELS if kind == "boxes" else TOLERANCE) for kind, value in worst.items()):
        raise HooklineError(
            f"the exported ONNX file does not give what PyTorch gives: largest difference {differences}",
            f"allowed are {TOLERANCE} and {PIXELS} pixels; try another export.opset, or export.simplify=false",
        )
    return f"ONNX Runtime and PyTorch differ by at most {differences}"


def _opened(model: OnnxModel) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(model.path), options, providers=["CPUExecutionProvider"])


def _differences(head: Head, expected: NDArray[np.number], found: NDArray[np.number]) -> dict[str, float]:
    if expected.shape != found.shape:
        raise HooklineError(f"the exported file gives {list(found.shape)}, PyTorch {list(expected.shape)}")
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
        yield np.repeat(_ranged(_picture(height, width, model.contract), model.contract)[None], batch, axis=0)


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
    """Map values of 0..1 to the range of the network's input."""
    return values * np.float32(255 * contract.scale) + np.float32(contract.offset)


def _picture(height: int, width: int, contract: InputContract) -> NDArray[np.float32]:
    """Slopes with grey bars above and below and a bright box in the middle: flat, smooth and sharp parts."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    picture = np.stack((x / width, y / height, (x + y) / (width + height)))
    picture[:, : height // 8] = picture[:, -(height // 8) :] = contract.pad_value / 255
    picture[:, height // 3 : height // 2, width // 3 : width // 2] = 1.0
    return picture
