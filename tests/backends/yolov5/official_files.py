"""Writes files like the official ones: pickles of live modules of classes that are not installed here.

The layer lists are those of docs/contracts.md, written out, so that they also check the reader's own.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from backends.yolov5.checkpoint import Weights
from backends.yolov5.config import ModelConfig
from backends.yolov5.layers import C3, SPPF, ConvBlock, Detect
from backends.yolov5.model import YOLOv5
from tests.support.yolov5_tools import tiny_weights

Row = tuple[str, Any, str]
_BACKBONE: list[Row] = [
    ("Conv", -1, "stem"),
    ("Conv", -1, "stages.0.down"),
    ("C3", -1, "stages.0.block"),
    ("Conv", -1, "stages.1.down"),
    ("C3", -1, "stages.1.block"),
    ("Conv", -1, "stages.2.down"),
    ("C3", -1, "stages.2.block"),
    ("Conv", -1, "stages.3.down"),
    ("C3", -1, "stages.3.block"),
]
_P5_HEAD: list[Row] = [
    ("Conv", -1, "top_down.0.reduce"),
    ("Upsample", -1, ""),
    ("Concat", [-1, 6], ""),
    ("C3", -1, "top_down.0.block"),
    ("Conv", -1, "top_down.1.reduce"),
    ("Upsample", -1, ""),
    ("Concat", [-1, 4], ""),
    ("C3", -1, "top_down.1.block"),
    ("Conv", -1, "bottom_up.0.down"),
    ("Concat", [-1, 14], ""),
    ("C3", -1, "bottom_up.0.block"),
    ("Conv", -1, "bottom_up.1.down"),
    ("Concat", [-1, 10], ""),
    ("C3", -1, "bottom_up.1.block"),
    ("Detect", [17, 20, 23], "detect"),
]
P5 = [*_BACKBONE, ("SPPF", -1, "stages.3.pool"), *_P5_HEAD]
P5_OLD: list[Row] = [("Focus", -1, "stem"), *_BACKBONE[1:8], ("SPP", -1, "stages.3.pool"), _BACKBONE[8], *_P5_HEAD]
P6: list[Row] = [
    *_BACKBONE,
    ("Conv", -1, "stages.4.down"),
    ("C3", -1, "stages.4.block"),
    ("SPPF", -1, "stages.4.pool"),
    ("Conv", -1, "top_down.0.reduce"),
    ("Upsample", -1, ""),
    ("Concat", [-1, 8], ""),
    ("C3", -1, "top_down.0.block"),
    ("Conv", -1, "top_down.1.reduce"),
    ("Upsample", -1, ""),
    ("Concat", [-1, 6], ""),
    ("C3", -1, "top_down.1.block"),
    ("Conv", -1, "top_down.2.reduce"),
    ("Upsample", -1, ""),
    ("Concat", [-1, 4], ""),
    ("C3", -1, "top_down.2.block"),
    ("Conv", -1, "bottom_up.0.down"),
    ("Concat", [-1, 20], ""),
    ("C3", -1, "bottom_up.0.block"),
    ("Conv", -1, "bottom_up.1.down"),
    ("Concat", [-1, 16], ""),
    ("C3", -1, "bottom_up.1.block"),
    ("Conv", -1, "bottom_up.2.down"),
    ("Concat", [-1, 12], ""),
    ("C3", -1, "bottom_up.2.block"),
    ("Detect", [23, 26, 29, 32], "detect"),
]


def write_official(
    path: Path,
    rows: list[Row],
    weights: Weights | None = None,
    *,
    change: Callable[[nn.Module], object] = lambda model: None,
    package: str = "",
    model_class: str = "models.yolo.Model",
    key: str = "model",
) -> Weights:
    """Pickle ``weights`` as the official code would.

    Args:
        path: The ``.pt`` file.
        rows: Kind, route and our name of each layer.
        weights: Random ones where None.
        change: Alters the module tree before it is pickled.
        key: Where in the file the model stands; under ``ema`` a bare module stands under ``model``.
        package: Prefix of the module names, e.g. ``yolov5.``.
        model_class: Full name of the outermost class.

    Returns:
        The weights, in half precision as they lie in the file.
    """
    old = rows is P5_OLD
    weights = weights or tiny_weights(levels=len(rows[-1][1]))
    config = weights.config if not old else type(weights.config)(**{**vars(weights.config), "pool_first": True})
    half = {
        name: value if name.endswith("num_batches_tracked") else value.half() for name, value in weights.state.items()
    }
    weights = Weights(config, weights.variant, weights.names, half)
    fake, network = _Classes(package, weights.config), weights.network()
    model = fake.make(model_class)
    model.model = nn.Sequential(*(fake.layer(row, network) for row in rows))
    model.names = dict(enumerate(weights.names))
    model.half()
    change(model)
    fake.save({"epoch": -1, "model": nn.Identity(), "ema": None, "optimizer": None, key: model}, path)
    return weights


class _Classes:
    """Classes under the names of the official modules, in ``sys.modules`` only while a file is written."""

    def __init__(self, package: str, config: ModelConfig) -> None:
        self.package, self.config = package, config
        self.known: dict[str, type[nn.Module]] = {}

    def make(self, full: str) -> Any:
        module, _, name = (self.package + full).rpartition(".")
        return self.known.setdefault(full, type(name, (nn.Module,), {"__module__": module}))()

    def layer(self, row: Row, network: YOLOv5) -> Any:
        kind, route, name = row
        layer = getattr(self, kind.lower())(network.get_submodule(name) if name else None)
        layer.f, layer.i = route, 0
        return layer

    def conv(self, ours: ConvBlock) -> Any:
        block = self.make("models.common.Conv")
        block.conv, block.bn, block.act = ours.conv, ours.bn, nn.SiLU()
        return block

    def focus(self, ours: ConvBlock) -> Any:
        block = self.make("models.common.Focus")
        block.conv = self.conv(ours)
        kernel = ours.conv.weight
        slices = [kernel[:, :, row::2, column::2] for row, column in ((0, 0), (1, 0), (0, 1), (1, 1))]
        block.conv.conv = nn.Conv2d(12, kernel.shape[0], 3, 1, 1, bias=False)
        block.conv.conv.weight = nn.Parameter(torch.cat(slices, 1))
        return block

    def c3(self, ours: C3) -> Any:
        block = self.make("models.common.C3")
        block.cv1, block.cv2 = self.conv(ours.main), self.conv(ours.past)
        block.cv3 = self.conv(ours.merge)
        block.m = nn.Sequential(*(self.bottleneck(inner) for inner in ours.blocks))
        return block

    def bottleneck(self, ours: Any) -> Any:
        block = self.make("models.common.Bottleneck")
        block.cv1, block.cv2 = self.conv(ours.reduce), self.conv(ours.expand)
        block.add = ours.shortcut
        return block

    def sppf(self, ours: SPPF) -> Any:
        block = self.make("models.common.SPPF")
        block.cv1, block.cv2 = self.conv(ours.reduce), self.conv(ours.merge)
        block.m = nn.MaxPool2d(5, 1, 2)
        return block

    def spp(self, ours: SPPF) -> Any:
        block = self.make("models.common.SPP")
        block.cv1, block.cv2 = self.conv(ours.reduce), self.conv(ours.merge)
        block.m = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in (5, 9, 13))
        return block

    def upsample(self, ours: None) -> Any:
        return nn.Upsample(None, 2, "nearest")

    def concat(self, ours: None) -> Any:
        layer = self.make("models.common.Concat")
        layer.d = 1
        return layer

    def detect(self, ours: Detect) -> Any:
        layer = self.make("models.yolo.Detect")
        config = self.config
        strides = torch.tensor(config.strides, dtype=torch.float32)
        anchors = torch.tensor(config.anchors).view(config.levels, -1, 2)
        layer.stride, layer.nc = strides, config.num_classes
        layer.register_buffer("anchors", anchors / strides.view(-1, 1, 1))
        layer.m = ours.convs
        return layer

    def save(self, content: object, path: Path) -> None:
        modules: dict[str, types.ModuleType] = {}
        for kind in self.known.values():
            parts = kind.__module__.split(".")
            for count in range(1, len(parts) + 1):
                name = ".".join(parts[:count])
                modules.setdefault(name, types.ModuleType(name))
            setattr(modules[kind.__module__], kind.__name__, kind)
        hidden = {name: sys.modules.get(name) for name in modules}
        sys.modules.update(modules)
        try:
            torch.save(content, path)
        finally:
            for name, module in hidden.items():
                sys.modules.pop(name)
                if module is not None:
                    sys.modules[name] = module
