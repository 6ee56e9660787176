"""ESPNetV2, CVPR 2019, with its later decoder: images float (N, 3, H, W) -> logits (N, classes, H, W).

Extremely efficient spatial pyramids: grouped 1x1, depthwise dilated 3x3 branches with running sums, grouped 1x1. The
decoder, that of its authors' EdgeNets, convolves at five scales and adds gated features of 1/8, 1/4 and 1/2.

The published counts, 777,830 and 458,102, include the slopes of a PReLU that a strided unit never calls, 480 and 352;
ours leave them out.
"""

from itertools import accumulate
from math import gcd

from torch import Tensor, nn
from torch.nn import functional as F

from trainer.models.blocks import BNAct, ConvBNAct, concatenated, enlarged, halved, prelu, shuffle_channels
from trainer.models.padding import PaddedNetwork

# Channels at 1/2, 1/4, 1/8 and 1/16, by width.
CHANNELS = {1.5: (32, 96, 192, 384), 2.0: (32, 128, 256, 512)}
STRIDE8_MODULES, STRIDE16_MODULES = 3, 7
DILATIONS, STRIDE16_DILATIONS = (1, 2, 3, 4), (1, 1, 2, 3)  # of the four branches
DECODER_CHANNELS = (64, 48, 32)  # at 1/16, 1/8 and 1/4
SCALES = (2.0, 1.5, 1.0, 0.5, 0.1)  # of the decoder's pyramid


def espnetv2(classes: int = 2) -> PaddedNetwork:
    """Width 2.0, 777,350 parameters with two classes; padded to multiples of 16."""
    return _padded(ESPNetV2(classes, CHANNELS[2.0]))


def espnetv2_150(classes: int = 2) -> PaddedNetwork:
    """Width 1.5, 457,750 parameters with two classes; padded to multiples of 16."""
    return _padded(ESPNetV2(classes, CHANNELS[1.5]))


class ESPNetV2(nn.Module):
    """(N, 3, H, W), multiples of 16 -> logits (N, classes, H, W)."""

    def __init__(self, classes: int, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        wide2, wide4, wide8, wide16 = channels
        narrow16, narrow8, narrow4 = DECODER_CHANNELS
        self.stem = ConvBNAct(3, wide2, stride=2, act=prelu)
        self.down4 = DownSampling(wide2, wide4)
        self.down8 = DownSampling(wide4, wide8)
        self.stage8 = nn.Sequential(*(SpatialPyramid(wide8, DILATIONS) for _ in range(STRIDE8_MODULES)))
        self.down16 = DownSampling(wide8, wide16)
        self.stage16 = nn.Sequential(*(SpatialPyramid(wide16, STRIDE16_DILATIONS) for _ in range(STRIDE16_MODULES)))
        inner = max(classes // 2, 1)
        self.decoder16 = ScalePyramid(wide16, inner, narrow16)
        self.decoder8 = Merge(wide8, narrow16, ScalePyramid(narrow16, inner, narrow8))
        self.decoder4 = Merge(wide4, narrow8, ScalePyramid(narrow8, inner, narrow4))
        self.decoder2 = Merge(wide2, narrow4, ScalePyramid(narrow4, inner, classes, last=True))

    def forward(self, images: Tensor) -> Tensor:
        half = halved(images)
        quarter = halved(half)
        eighth = halved(quarter)
        stride2 = self.stem(images)
        stride4 = self.down4(stride2, quarter)
        stride8 = self.stage8(self.down8(stride4, eighth))
        stride16 = self.stage16(self.down16(stride8, halved(eighth)))
        x = self.decoder8(self.decoder16(stride16), stride8)
        x = self.decoder2(self.decoder4(x, stride4), stride2)
        return enlarged(x, 2)


class SplitTransform(nn.Module):
    """(N, in, H, W) -> (N, out, H/stride, W/stride): reduce, dilated depthwise branches, running sums, expand."""

    def __init__(self, in_channels: int, out_channels: int, dilations: tuple[int, ...], *, stride: int = 1) -> None:
        super().__init__()
        groups = len(dilations)
        narrow = out_channels // groups
        self.reduce = ConvBNAct(in_channels, narrow, 1, groups=groups, act=prelu)
        self.branches = nn.ModuleList(
            nn.Conv2d(narrow, narrow, 3, stride, padding=dilation, dilation=dilation, groups=narrow, bias=False)
            for dilation in dilations
        )
        self.expand = nn.Sequential(
            BNAct(out_channels), ConvBNAct(out_channels, out_channels, 1, groups=groups, act=None)
        )

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        return self.expand(concatenated(*accumulate(branch(reduced) for branch in self.branches)))


class SpatialPyramid(nn.Module):
    """(N, C, H, W) -> (N, C, H, W): the EESP unit, figure 1c."""

    def __init__(self, channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.branch = SplitTransform(channels, channels, dilations)
        self.act = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x + self.branch(x))


class DownSampling(nn.Module):
    """(N, in, H, W) and the image at half of that size -> (N, out, H/2, W/2): the strided EESP unit, figure 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.branch = SplitTransform(in_channels, out_channels - in_channels, DILATIONS, stride=2)
        self.image = nn.Sequential(ConvBNAct(3, 3, act=prelu), ConvBNAct(3, out_channels, 1, act=None))
        self.act = nn.PReLU(out_channels)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        return self.act(concatenated(halved(x), self.branch(x)) + self.image(image))


class ScalePyramid(nn.Module):
    """(N, in, H, W) -> (N, out, H, W): 3x3 convolutions of the map at five scales, merged; `last` gives logits."""

    def __init__(self, in_channels: int, inner: int, out_channels: int, *, last: bool = False) -> None:
        super().__init__()
        count = len(SCALES)
        self.reduce = ConvBNAct(in_channels, inner, 1, act=prelu)
        self.branches = nn.ModuleList(nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False) for _ in SCALES)
        self.norm_act = BNAct(count * inner)
        self.merge = nn.Sequential(
            ConvBNAct(count * inner, inner, groups=inner, act=prelu),
            nn.Conv2d(inner, out_channels, 1, bias=last),
            nn.Identity() if last else BNAct(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        scales = [_at_scale(reduced, branch, scale) for branch, scale in zip(self.branches, SCALES, strict=True)]
        return self.merge(shuffle_channels(self.norm_act(concatenated(*scales)), len(SCALES)))


class Merge(nn.Module):
    """Decoder features (N, C, H, W) and encoder features (N, skip, 2H, 2W) -> the pyramid of their sum."""

    def __init__(self, skip_channels: int, channels: int, pyramid: ScalePyramid) -> None:
        super().__init__()
        self.weight = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(skip_channels, channels, 1, bias=False), nn.Sigmoid()
        )
        self.project = ConvBNAct(skip_channels, channels, groups=gcd(skip_channels, channels), act=prelu)
        self.norm_act = BNAct(channels)
        self.pyramid = pyramid

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        gated = self.project(skip) * self.weight(skip)
        return self.pyramid(self.norm_act(gated + enlarged(x, 2)))


def _padded(network: ESPNetV2) -> PaddedNetwork:
    """Adaptive pooling, in `_at_scale`, becomes operations of one size in an exported graph."""
    return PaddedNetwork(network, side_multiple_px=16, exports_free_sides=False)


def _at_scale(x: Tensor, branch: nn.Module, scale: float) -> Tensor:
    """Convolve `x` at a size of `scale` times its own, of at least 5 px, and bring it back to its own."""
    height, width = x.shape[-2:]
    size = max(int(height * scale), 5), max(int(width * scale), 5)
    if scale < 1:
        small = branch(F.adaptive_avg_pool2d(x, size))
        return F.interpolate(small, (height, width), mode="bilinear", align_corners=False)
    if scale > 1:
        large = branch(F.interpolate(x, size, mode="bilinear", align_corners=False))
        return F.adaptive_avg_pool2d(large, (height, width))
    return branch(x)
