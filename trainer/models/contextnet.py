"""ContextNet, arXiv 1805.04554: images float (N, 3, H, W) -> logits (N, classes, H, W).

A shallow branch at full resolution and a deep one, of inverted residuals, on a reduced image; both are added at 1/8.
cn12 reduces the image by 2, cn14 by 4. 874,370 parameters with two classes.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from trainer.models.blocks import ConvBNAct, SeparableConv, enlarged
from trainer.models.padding import PaddedNetwork

# Table 1: channels, repetitions, stride and expansion of the deep branch's blocks.
DEEP_BLOCKS = [(32, 1, 1, 1), (32, 1, 1, 6), (48, 3, 2, 6), (64, 3, 2, 6), (96, 2, 1, 6), (128, 2, 1, 6)]
WIDTH = 128  # of both branches' ends and of the head
DROPOUT = 0.1
REDUCTION = 2  # of the deep branch's image: the 2 of cn12


def contextnet12(classes: int = 2) -> PaddedNetwork:
    """cn12; padded to multiples of 16."""
    return PaddedNetwork(ContextNet(classes), side_multiple_px=16)


class ContextNet(nn.Module):
    """(N, 3, H, W), multiples of 16 -> logits (N, classes, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.shallow = nn.Sequential(
            ConvBNAct(3, 32, 3, stride=2),
            SeparableConv(32, 64, stride=2),
            SeparableConv(64, 128, stride=2),
            SeparableConv(128, 128),
        )
        self.deep = nn.Sequential(ConvBNAct(3, 32, 3, stride=2), *_deep_blocks(32))
        self.fuse_deep = nn.Sequential(
            ConvBNAct(WIDTH, WIDTH, 3, groups=WIDTH),
            ConvBNAct(WIDTH, WIDTH, 1, bias=True, act=None),
        )
        self.fuse_shallow = ConvBNAct(WIDTH, WIDTH, 1, bias=True, act=None)
        self.head = nn.Sequential(
            SeparableConv(WIDTH, WIDTH),
            SeparableConv(WIDTH, WIDTH),
            nn.Dropout(DROPOUT),
            nn.Conv2d(WIDTH, classes, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        shallow = self.shallow(images)  # (N, 128, H/8, W/8)
        reduced = F.avg_pool2d(images, REDUCTION)
        deep = enlarged(self.deep(reduced), REDUCTION)  # (N, 128, H/16, W/16) -> (N, 128, H/8, W/8)
        fused = F.relu(self.fuse_deep(deep) + self.fuse_shallow(shallow))
        return enlarged(self.head(fused), 8)


class InvertedResidual(nn.Module):
    """(N, in, H, W) -> (N, out, H/stride, W/stride): MobileNetV2's block, with a 1x1 before it even at expansion 1."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.block = nn.Sequential(
            ConvBNAct(in_channels, inner, 1),
            ConvBNAct(inner, inner, 3, stride=stride, groups=inner),
            ConvBNAct(inner, out_channels, 1, act=None),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.residual else self.block(x)


def _deep_blocks(in_channels: int) -> list[nn.Module]:
    blocks: list[nn.Module] = []
    for channels, repetitions, stride, expansion in DEEP_BLOCKS:
        for i in range(repetitions):
            blocks.append(InvertedResidual(in_channels, channels, stride=1 if i else stride, expansion=expansion))
            in_channels = channels
    return blocks
