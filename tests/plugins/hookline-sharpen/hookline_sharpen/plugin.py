"""What hookline-sharpen registers. Light: the implementation is imported when the stage runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hookline import Calibrator, HooklineError, OnnxModel, RangeObserver, RunContext, Stage, TensorRange, hookimpl


@dataclass
class SharpenConfig:
    """Options of ``sharpen``: ``strength`` scales the weights of the first convolution."""

    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.strength <= 0:
            raise HooklineError(f"sharpen.strength={self.strength}", "a number above 0")


def sharpen(config: SharpenConfig, model: OnnxModel, context: RunContext) -> OnnxModel:
    """Scale the first convolution's weights."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(model.path))
    first = next(node for node in graph.graph.node if node.op_type == "Conv")
    weights = next(tensor for tensor in graph.graph.initializer if tensor.name == first.input[1])
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * config.strength, weights.name))
    target: Path = context.workdir / "sharpened.onnx"
    onnx.save(graph, str(target))
    context.note(f"sharpened by {config.strength}")
    return replace(model, path=target)


class SigmaObserver:
    """amax = three standard deviations of everything seen."""

    def __init__(self) -> None:
        self._moments: dict[str, tuple[int, float, float, float]] = {}

    def observe(self, name: str, values: Any) -> None:
        count, squares, low, high = self._moments.get(name, (0, 0.0, 0.0, 0.0))
        squares += float((values.astype("float64") ** 2).sum())
        self._moments[name] = (
            count + values.size,
            squares,
            min(low, float(values.min())),
            max(high, float(values.max())),
        )

    def ranges(self) -> dict[str, TensorRange]:
        result = {}
        for name, (count, squares, low, high) in self._moments.items():
            amax = min(max(abs(low), abs(high)), 3 * (squares / count) ** 0.5)
            result[name] = TensorRange(low, high, max(low, -amax), min(high, amax), amax)
        return result


def load_sigma(options: Any) -> RangeObserver:
    """A fresh observer."""
    return SigmaObserver()


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage."""
    yield Stage(name="sharpen", summary="scale the first convolution (example)", run=sharpen, automatic=False)


@hookimpl
def hookline_calibrators() -> Iterable[Calibrator]:
    """The calibrator."""
    yield Calibrator(name="sigma", summary="three standard deviations (example)", load=load_sigma)


@hookimpl
def hookline_conf() -> Iterable[str]:
    """The YAML."""
    yield "hookline_sharpen.conf"
