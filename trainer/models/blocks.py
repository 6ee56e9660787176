"""Blocks that several networks share: convolutions with norm and activation, dense and separable ones, resizing."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Callable[[int], nn.Module]  # channels -> module


def relu(channels: int) -> nn.Module:
    return nn.ReLU()


def prelu(channels: int) -> nn.Module:
    """One slope for each channel."""
    return nn.PReLU(channels)


class ConvBNAct(nn.Sequential):
    """(N, in, H, W) -> (N, out, H/stride, W/stride): convolution, batch norm and, unless None, activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        act: Activation | None = relu,
    ) -> None:
        height, width = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
        padding = dilation * (height // 2), dilation * (width // 2)
        super().__init__(
            nn.Conv2d(in_channels, out_channels, (height, width), stride, padding, dilation, groups, bias),
            nn.BatchNorm2d(out_channels),
            *([] if act is None else [act(out_channels)]),
        )


class BNAct(nn.Sequential):
    """(N, C, H, W) -> (N, C, H, W): batch norm and PReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.BatchNorm2d(channels), nn.PReLU(channels))


class ResidualDense(nn.Module):
    """(N, C, H, W) -> (N, C, H, W): 3x3 convolutions, each of all maps before it, fused by 1x1, added to the input."""

    def __init__(self, channels: int, growth: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            ConvBNAct(channels + i * growth, growth, dilation=dilation, act=prelu)
            for i, dilation in enumerate(dilations)
        )
        self.fuse = ConvBNAct(channels + len(dilations) * growth, channels, 1, act=None)
        self.act = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        maps = x
        for layer in self.layers:
            maps = concatenated(maps, layer(maps))
        return self.act(x + self.fuse(maps))


class SeparableConv(nn.Sequential):
    """(N, in, H, W) -> (N, out, H/stride, W/stride): 3x3 depthwise, then 1x1, each with norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, act: Activation | None = relu) -> None:
        super().__init__(
            ConvBNAct(in_channels, in_channels, 3, stride=stride, groups=in_channels),
            ConvBNAct(in_channels, out_channels, 1, act=act),
        )


def halved(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, H/2, W/2): mean of 3x3 windows, by which ESPNet and its heirs repeat their input."""
    return F.avg_pool2d(x, 3, stride=2, padding=1)


def enlarged(x: Tensor, factor: int) -> Tensor:
    """(N, C, H, W) -> (N, C, H * factor, W * factor), bilinear."""
    return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


def shuffle_channels(x: Tensor, groups: int) -> Tensor:
    """(N, C, H, W) -> (N, C, H, W): interleave the channels of `groups` groups."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


def unpool(x: Tensor, indices: Tensor) -> Tensor:
    """(N, C, H, W) and the indices of 2x2 max pooling -> (N, C, 2H, 2W): values at their maxima, zeros elsewhere."""
    n, channels, height, width = x.shape
    large = x.new_zeros(n, channels, 4 * height * width)
    return large.scatter(2, indices.flatten(2), x.flatten(2)).view(n, channels, 2 * height, 2 * width)


def concatenated(*parts: Tensor) -> Tensor:
    """Parts (N, C_i, H, W) -> (N, sum of C_i, H, W)."""
    return torch.cat(parts, dim=1)
