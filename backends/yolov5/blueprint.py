"""The layers of a plain YOLOv5 in the order of an official checkpoint (docs/contracts.md)."""

from __future__ import annotations

from typing import NamedTuple


class Layer(NamedTuple):
    """One entry of the official list.

    Attributes:
        kind: Name of its class.
        route: The layers its input comes from; -1 is the one before it.
        name: What it is in our network, empty where it has no weights.
    """

    kind: str
    route: int | list[int]
    name: str


def blueprint(levels: int, *, pool_first: bool) -> list[Layer]:
    """All layers of a network with 3 or 4 levels, with Focus and SPP written as Conv and SPPF.

    Args:
        levels: Number of output levels.
        pool_first: As in :class:`~backends.yolov5.config.ModelConfig`.
    """
    layers = [Layer("Conv", -1, "stem")]
    ends = []
    for stage in range(levels + 1):
        layers.append(Layer("Conv", -1, f"stages.{stage}.down"))
        blocks = [Layer("C3", -1, f"stages.{stage}.block")]
        if stage == levels:
            blocks.insert(0 if pool_first else 1, Layer("SPPF", -1, f"stages.{stage}.pool"))
        layers.extend(blocks)
        ends.append(len(layers) - 1)

    reduced = []
    for step in range(levels - 1):
        reduced.append(len(layers))
        layers += [
            Layer("Conv", -1, f"top_down.{step}.reduce"),
            Layer("Upsample", -1, ""),
            Layer("Concat", [-1, ends[-2 - step]], ""),
            Layer("C3", -1, f"top_down.{step}.block"),
        ]

    outputs = [len(layers) - 1]
    for step in range(levels - 1):
        layers += [
            Layer("Conv", -1, f"bottom_up.{step}.down"),
            Layer("Concat", [-1, reduced[-1 - step]], ""),
            Layer("C3", -1, f"bottom_up.{step}.block"),
        ]
        outputs.append(len(layers) - 1)
    return [*layers, Layer("Detect", outputs, "detect")]
