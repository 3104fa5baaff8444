"""From the ranges that were observed to the ranges that activations are quantised with."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np
import onnx_graphsurgeon as gs

from backends.graphsurgeon.topology import Silu
from core.calibration import TensorRange
from core.errors import HooklineError

UINT8_STEPS = 255
SILU_MINIMUM = -1.2784645
"""x * sigmoid(x) falls to -0.2785 here and rises to 0 on the way to minus infinity."""
LOWEST = -30.0


def clip_silu_tails(ranges: dict[str, TensorRange], silus: Iterable[Silu]) -> None:
    """Raise ``low`` of what enters a SiLU to where its result vanishes.

    For x far below zero x * sigmoid(x) is nearly 0, yet such values take up to half of the range of x.
    Where the result is nearer to 0 than half a step of its own, x need not be told apart: that
    point becomes ``low``. ``amax`` and ``high`` stay.
    """
    for silu in silus:
        source, result = silu.source.name, silu.result.name
        if source in ranges and result in ranges:
            step = (ranges[result].high - min(ranges[result].low, 0.0)) / UINT8_STEPS
            ranges[source] = replace(ranges[source], low=max(ranges[source].low, vanishing_point(step / 2)))


def vanishing_point(size: float) -> float:
    """The x below the minimum of SiLU from which on |x * sigmoid(x)| <= ``size``, to 1e-6; at most the minimum."""
    low, high = LOWEST, SILU_MINIMUM
    while high - low > 1e-6:
        middle = (low + high) / 2
        if abs(middle) / (1.0 + math.exp(-middle)) <= size:
            low = middle
        else:
            high = middle
    return low


def join_ranges(ranges: dict[str, TensorRange], nodes: Iterable[gs.Node], operators: Collection[str]) -> None:
    """Give all activations that meet in a node of ``operators`` the widest of their ranges."""
    for names in _groups(node for node in nodes if node.op in operators):
        members = [ranges[name] for name in names if name in ranges]
        if not members:
            continue
        low, high = min(item.low for item in members), max(item.high for item in members)
        amax = max(item.amax for item in members)
        for name in names:
            if name in ranges:
                ranges[name] = replace(ranges[name], low=low, high=high, amax=amax)


def range_of(ranges: Mapping[str, TensorRange], name: str) -> TensorRange:
    """The range of a tensor.

    Raises:
        HooklineError: The table does not hold it, or holds NaN or infinity.
    """
    if name not in ranges:
        raise HooklineError(
            f"the calibration table has no range of tensor '{name}'",
            "it was made for another model: run +stage=calibrate again",
        )
    found = ranges[name]
    if not all(map(math.isfinite, (found.low, found.high, found.amax))):
        raise HooklineError(
            f"the calibration table has a range of tensor '{name}' that is not finite", "run +stage=calibrate again"
        )
    return found


def activations(node: gs.Node) -> list[gs.Variable]:
    """The inputs of a node that are quantised: data, not weights, scales or sizes."""
    inputs = node.inputs[:1] if node.op in {"Conv", "MaxPool", "Resize"} else node.inputs
    return [item for item in inputs if isinstance(item, gs.Variable) and item.dtype in {None, np.dtype(np.float32)}]


def _groups(nodes: Iterable[gs.Node]) -> list[list[str]]:
    """Names of the activations that are connected through ``nodes``, group by group."""
    group: dict[str, list[str]] = {}
    for node in nodes:
        names = [item.name for item in (*activations(node), *node.outputs)]
        parts = [group.get(name, [name]) for name in names]
        merged = list(dict.fromkeys(name for part in parts for name in part))
        group.update(dict.fromkeys(merged, merged))
    return list({id(names): names for names in group.values()}.values())
