"""Adjust the observed ranges of activations before quantisation."""

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
"""x * sigmoid(x) has its minimum of -0.2785 here and approaches 0 towards minus infinity."""
SEARCH_START = -30.0


def clip_silu_tails(ranges: dict[str, TensorRange], silus: Iterable[Silu]) -> None:
    """Raise ``low`` of the input of each SiLU to where its output vanishes.

    For x far below zero x * sigmoid(x) is nearly 0, but such values take up to half of the range of x. Where the output
    is within half a quantisation step of 0, values of x need not be distinguished: this point becomes ``low``. ``amax``
    and ``high`` do not change.
    """
    for silu in silus:
        source, result = silu.source.name, silu.result.name
        if source in ranges and result in ranges:
            step = (ranges[result].high - min(ranges[result].low, 0.0)) / UINT8_STEPS
            ranges[source] = replace(ranges[source], low=max(ranges[source].low, vanishing_point(step / 2)))


def vanishing_point(size: float) -> float:
    """Return the largest x up to the minimum of SiLU with |x * sigmoid(x)| <= ``size``, to 1e-6."""
    low, high = SEARCH_START, SILU_MINIMUM
    while high - low > 1e-6:
        middle = (low + high) / 2
        if abs(middle) / (1.0 + math.exp(-middle)) <= size:
            low = middle
        else:
            high = middle
    return low


def join_ranges(ranges: dict[str, TensorRange], nodes: Iterable[gs.Node], operators: Collection[str]) -> None:
    """Give all activations that share a node of ``operators`` the widest of their ranges."""
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
    """Return the range of a tensor.

    Raises:
        HooklineError: The table has no range for it, or one that is not finite.
    """
    if name not in ranges:
        raise HooklineError(
            f"the calibration table has no range for tensor '{name}'",
            "it was made for another model: run +stage=calibrate again",
        )
    found = ranges[name]
    if not all(map(math.isfinite, (found.low, found.high, found.amax))):
        raise HooklineError(
            f"the range of tensor '{name}' in the calibration table is not finite", "run +stage=calibrate again"
        )
    return found


def activations(node: gs.Node) -> list[gs.Variable]:
    """Return the inputs of a node that are quantised: data, not weights, scales or sizes."""
    inputs = node.inputs[:1] if node.op in {"Conv", "MaxPool", "Resize"} else node.inputs
    return [item for item in inputs if isinstance(item, gs.Variable) and item.dtype in {None, np.dtype(np.float32)}]


def _groups(nodes: Iterable[gs.Node]) -> list[list[str]]:
    """Return the groups of activations that are connected through ``nodes``."""
    group: dict[str, list[str]] = {}
    for node in nodes:
        names = [item.name for item in (*activations(node), *node.outputs)]
        parts = [group.get(name, [name]) for name in names]
        merged = list(dict.fromkeys(name for part in parts for name in part))
        group.update(dict.fromkeys(merged, merged))
    return list({id(names): names for names in group.values()}.values())
