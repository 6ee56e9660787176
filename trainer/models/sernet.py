"""SERNet-Former as FastSeg builds it: images float (N, 3, H, W) -> logits (N, classes, H, W).

Plain convolutions down to 1/16, each with an attention-boosting gate, then dilated convolutions of 512 channels, which
hold three quarters of the parameters. The decoder is ours, the encoder mirrored, for want of a description: 9,410,818
parameters with two classes, where FastSeg's network has 9.23 M. The official code has no PyTorch network.
"""

from itertools import pairwise

from torch import Tensor, nn

from trainer.models.blocks import ConvBNAct, enlarged, prelu
from trainer.models.padding import PaddedNetwork

ENCODER_CHANNELS = (64, 64, 128, 256)  # at 1/2, 1/4, 1/8 and 1/16
DEEP_CHANNELS = 512  # at 1/16
DECODER_CHANNELS = (128, 64, 64, 64)  # at 1/8, 1/4, 1/2 and 1
DILATIONS = (12, 16, 18)


def sernet_former(classes: int = 2) -> PaddedNetwork:
    """SERNet-Former; padded to multiples of 16."""
    return PaddedNetwork(SERNetFormer(classes), side_multiple_px=16)


class SERNetFormer(nn.Module):
    """(N, 3, H, W), multiples of 16 -> logits (N, classes, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        half, quarter, *coarser = ENCODER_CHANNELS
        self.stages = nn.ModuleList([
            _gated(3, half, stride=2),
            nn.Sequential(nn.MaxPool2d(2), _gated(half, quarter)),
            *(_gated(*widths, stride=2) for widths in pairwise([quarter, *coarser])),
        ])  # fmt: skip
        self.deep = nn.Sequential(_gated(coarser[-1], DEEP_CHANNELS), DilatedSum(DEEP_CHANNELS))
        self.decoder = nn.ModuleList(
            ConvBNAct(*widths, act=prelu) for widths in pairwise([DEEP_CHANNELS, *DECODER_CHANNELS])
        )
        self.classifier = nn.Conv2d(DECODER_CHANNELS[-1], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        features, x = [], images
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        x = self.deep(x)  # (N, 512, H/16, W/16)
        *blocks, last = self.decoder
        for block, skip in zip(blocks, features[-2::-1], strict=True):
            x = block(enlarged(x, 2)) + skip
        return self.classifier(last(enlarged(x, 2)))


class AttentionBoostingGate(nn.Module):
    """(N, ...) -> (N, ...): the input and itself times its sigmoid; no parameters (AbG)."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x * x.sigmoid()


class DilatedSum(nn.Module):
    """(N, C, H, W) -> (N, C, H, W): the sum of three dilated 3x3 convolutions (DbN, the dilation-based network)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            ConvBNAct(channels, channels, dilation=dilation, act=prelu) for dilation in DILATIONS
        )

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = (branch(x) for branch in self.branches)
        return first + second + third


def _gated(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(ConvBNAct(in_channels, out_channels, stride=stride, act=prelu), AttentionBoostingGate())
