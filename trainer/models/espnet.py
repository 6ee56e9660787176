"""ESPNet, ECCV 2018: images float (N, 3, H, W) -> logits (N, classes, H, W).

Efficient spatial pyramids: a 1x1 convolution to a fifth of the width, five parallel dilated 3x3 convolutions, their
hierarchical sums. `espnet` is ESPNet-C, whose logits at 1/8 are enlarged: its count, 344,841, is that of SINet's table
3. `espnet_full` has the paper's decoder, which needs a channel for each of a pyramid's five branches and so at least
five score channels; the last layer turns them into the classes. It meets the public code's count of five classes.

DS-ESPNet replaces only the dilated convolutions, by a depthwise one and a 1x1 (SINet, section 4.1). No code of it is
public and its published counts, 0.143 M and 0.064 M at half the channels, are not met: 107,754 and 30,646 here.
"""

from collections.abc import Sequence
from itertools import accumulate

from torch import Tensor, nn

from trainer.models.blocks import BNAct, ConvBNAct, concatenated, enlarged, halved, prelu
from trainer.models.padding import PaddedNetwork

DILATIONS = [1, 2, 4, 8, 16]
STRIDE4_MODULES, STRIDE8_MODULES = 2, 8  # alpha2 and alpha3 in the paper, p and q in its code
STEM_CHANNELS, STRIDE4_CHANNELS, STRIDE8_CHANNELS = 16, 64, 128


def espnet(classes: int = 2) -> PaddedNetwork:
    """ESPNet-C, 344,841 parameters with two classes; padded to multiples of 8."""
    return PaddedNetwork(ESPNet(classes), side_multiple_px=8)


def espnet_full(classes: int = 2) -> PaddedNetwork:
    """ESPNet with its decoder, 347,724 parameters with two classes; padded to multiples of 8."""
    return PaddedNetwork(ESPNetFull(classes), side_multiple_px=8)


def ds_espnet(classes: int = 2) -> PaddedNetwork:
    """ESPNet-C with depthwise separable dilated convolutions; our reading."""
    return PaddedNetwork(ESPNet(classes, separable=True), side_multiple_px=8)


def ds_espnet_050(classes: int = 2) -> PaddedNetwork:
    """`ds_espnet` with half of the channels."""
    return PaddedNetwork(ESPNet(classes, separable=True, width=0.5), side_multiple_px=8)


class ESPNet(nn.Module):
    """(N, 3, H, W), multiples of 8 -> logits (N, classes, H, W)."""

    def __init__(self, classes: int, *, separable: bool = False, width: float = 1.0) -> None:
        super().__init__()
        stem, wide4, wide8 = (int(n * width) for n in (STEM_CHANNELS, STRIDE4_CHANNELS, STRIDE8_CHANNELS))
        self.stem = ConvBNAct(3, stem, 3, stride=2, act=prelu)
        self.merge2 = BNAct(stem + 3)
        self.down4 = SpatialPyramid(stem + 3, wide4, stride=2, separable=separable)
        self.stage4 = _pyramids(wide4, STRIDE4_MODULES, separable=separable)
        self.merge4 = BNAct(2 * wide4 + 3)
        self.down8 = SpatialPyramid(2 * wide4 + 3, wide8, stride=2, separable=separable)
        self.stage8 = _pyramids(wide8, STRIDE8_MODULES, separable=separable)
        self.merge8 = BNAct(2 * wide8)
        self.classifier = nn.Conv2d(2 * wide8, classes, 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return enlarged(self.scores(images)[0], 8)

    def scores(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> logits (N, classes, H/8, W/8), features (N, 131, H/4, W/4) and (N, 19, H/2, W/2)."""
        half = halved(images)
        merged2 = self.merge2(concatenated(self.stem(images), half))
        down4 = self.down4(merged2)  # (N, 64, H/4, W/4)
        merged4 = self.merge4(concatenated(self.stage4(down4), down4, halved(half)))
        down8 = self.down8(merged4)  # (N, 128, H/8, W/8)
        return self.classifier(self.merge8(concatenated(down8, self.stage8(down8)))), merged4, merged2


class ESPNetFull(nn.Module):
    """(N, 3, H, W), multiples of 8 -> logits (N, classes, H, W): scores of 1/8, 1/4 and 1/2, figure 4d."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        width = max(classes, len(DILATIONS))
        self.encoder = ESPNet(width)
        self.norm8 = nn.BatchNorm2d(width)
        self.up8 = _doubling(width, width)
        self.skip4 = nn.Conv2d(2 * STRIDE4_CHANNELS + 3, width, 1, bias=False)
        self.merge4 = nn.Sequential(BNAct(2 * width), SpatialPyramid(2 * width, width))
        self.up4 = nn.Sequential(_doubling(width, width), BNAct(width))
        self.merge2 = ConvBNAct(width + STEM_CHANNELS + 3, width, act=prelu)
        self.classifier = _doubling(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        coarse, stride4, stride2 = self.encoder.scores(images)
        merged4 = self.merge4(concatenated(self.skip4(stride4), self.up8(self.norm8(coarse))))  # (N, width, H/4, W/4)
        return self.classifier(self.merge2(concatenated(self.up4(merged4), stride2)))


class SpatialPyramid(nn.Module):
    """(N, in, H, W) -> (N, out, H/stride, W/stride): the ESP module; equal widths add the input (figure 1)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        dilations: Sequence[int] = DILATIONS,
        separable: bool = False,
    ) -> None:
        super().__init__()
        narrow = out_channels // len(dilations)
        first = out_channels - narrow * (len(dilations) - 1)
        kernel = 1 if stride == 1 else 3
        self.residual = stride == 1 and in_channels == out_channels
        self.reduce = nn.Conv2d(in_channels, narrow, kernel, stride, padding=kernel // 2, bias=False)
        self.branches = nn.ModuleList(
            _dilated(narrow, narrow if i else first, dilation, separable=separable)
            for i, dilation in enumerate(dilations)
        )
        self.norm_act = BNAct(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        first, *others = (branch(reduced) for branch in self.branches)
        merged = concatenated(first, *accumulate(others))  # sums against gridding, section 3.2
        return self.norm_act(merged + x if self.residual else merged)


def _pyramids(channels: int, count: int, *, separable: bool) -> nn.Sequential:
    return nn.Sequential(*(SpatialPyramid(channels, channels, separable=separable) for _ in range(count)))


def _doubling(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    """(N, in, H, W) -> (N, out, 2H, 2W)."""
    return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2, bias=False)


def _dilated(in_channels: int, out_channels: int, dilation: int, *, separable: bool) -> nn.Module:
    if not separable:
        return nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False)
    depthwise = nn.Conv2d(
        in_channels, in_channels, 3, padding=dilation, dilation=dilation, groups=in_channels, bias=False
    )
    return nn.Sequential(depthwise, nn.Conv2d(in_channels, out_channels, 1, bias=False))
