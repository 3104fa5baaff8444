"""The layers of the network. All tensors are [B, C, H, W]."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from backends.yolov5.config import ModelConfig


class ConvBlock(nn.Module):
    """Convolution, batch normalisation, SiLU; :meth:`fuse` folds the normalisation into the convolution."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, padding: int | None = None) -> None:
        super().__init__()
        same = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, same, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU()  # not in place: autograd would copy its input, 15 % of a training step

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H/stride, W/stride]."""
        out: Tensor = self.act(self.bn(self.conv(x)))
        return out

    @torch.no_grad()
    def fuse(self) -> None:
        """Fold the batch normalisation into weight and bias of the convolution, for inference."""
        if not isinstance(self.bn, nn.BatchNorm2d):
            return
        bn, old = self.bn, self.conv
        mean, variance = bn.running_mean, bn.running_var
        if mean is None or variance is None:
            raise ValueError("batch normalisation without statistics cannot be fused")
        gain = bn.weight / torch.sqrt(variance + bn.eps)
        padding = (int(old.padding[0]), int(old.padding[1]))
        fused = nn.Conv2d(old.in_channels, old.out_channels, old.kernel_size, old.stride, padding)  # type: ignore[arg-type]
        fused.weight = nn.Parameter(old.weight * gain.reshape(-1, 1, 1, 1))
        fused.bias = nn.Parameter(bn.bias - mean * gain)
        self.conv = fused
        self.bn = nn.Identity()
        self.act.inplace = True


class Bottleneck(nn.Module):
    """1x1 and 3x3 convolution, added to the input with ``shortcut``."""

    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.reduce = ConvBlock(channels, channels)
        self.expand = ConvBlock(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape."""
        out: Tensor = self.expand(self.reduce(x))
        return x + out if self.shortcut else out


class C3(nn.Module):
    """CSP block: half of the channels pass through ``repeats`` bottlenecks, half bypass them."""

    def __init__(self, inputs: int, outputs: int, repeats: int, *, shortcut: bool) -> None:
        super().__init__()
        hidden = outputs // 2
        self.main = ConvBlock(inputs, hidden)
        self.past = ConvBlock(inputs, hidden)
        self.blocks = nn.Sequential(*(Bottleneck(hidden, shortcut=shortcut) for _ in range(repeats)))
        self.merge = ConvBlock(2 * hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H, W]."""
        out: Tensor = self.merge(torch.cat((self.blocks(self.main(x)), self.past(x)), 1))
        return out


class SPPF(nn.Module):
    """Spatial pyramid pooling (fast): three chained 5x5 max-pools with receptive fields of 5, 9 and 13."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.reduce = ConvBlock(channels, hidden)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.merge = ConvBlock(4 * hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape."""
        views = [self.reduce(x)]
        for _ in range(3):
            views.append(self.pool(views[-1]))
        out: Tensor = self.merge(torch.cat(views, 1))
        return out


class Detect(nn.Module):
    """Detection layer: one 1x1 convolution per level."""

    def __init__(self, config: ModelConfig, channels: tuple[int, ...]) -> None:
        super().__init__()
        outputs = config.anchors_per_level * config.outputs_per_anchor
        self.convs = nn.ModuleList(nn.Conv2d(count, outputs, 1) for count in channels)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Features per level -> logits per level [B, A*(5+nc), H/s, W/s], channel = a*(5+nc) + k."""
        return [conv(feature) for conv, feature in zip(self.convs, features, strict=True)]

    @torch.no_grad()
    def start_biases(self, config: ModelConfig) -> None:
        """Add the prior to the biases: about 8 objects per 640 x 640 image, and a total class probability of 0.6."""
        for conv, stride in zip(self.convs, config.strides, strict=True):
            bias = conv.get_parameter("bias").view(config.anchors_per_level, config.outputs_per_anchor)
            bias[:, 4] += math.log(8 / (640 / stride) ** 2)
            bias[:, 5:] += math.log(0.6 / (config.num_classes - 0.99999))


def focus_to_conv(weight: Tensor) -> Tensor:
    """Return the 6x6 kernel, stride 2, padding 2, that is equivalent to Focus with a 3x3 kernel.

    Args:
        weight: [C, 12, 3, 3]; input channel 3*slice + colour, slices (row, column) 00, 10, 01, 11.

    Returns:
        [C, 3, 6, 6].
    """
    kernel = weight.new_empty(weight.shape[0], 3, 6, 6)
    for index, (row, column) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        kernel[:, :, row::2, column::2] = weight[:, 3 * index : 3 * index + 3]
    return kernel
