"""ShuffleSeg with skips, arXiv 1803.03816, of Fast_Portrait_Segmentation: images (N, 3, H, W) -> logits.

ShuffleNet of 3 groups (arXiv 1707.01083, table 1) and scores of 1/32, 1/16 and 1/8. Its authors' transposed
convolutions start as bilinear interpolations; here they are that. 908,100 parameters with two classes, a reading: the
public code lacks a module, and with a substitute it has 918,731, convolutions' biases among them.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from trainer.models.blocks import ConvBNAct, concatenated, shuffle_channels
from trainer.models.padding import PaddedNetwork
from trainer.models.score_ladder import ScoreLadder

GROUPS = 3
STEM_CHANNELS = 24
STAGES = [(240, 4), (480, 8), (960, 4)]  # channels and units, at 1/8, 1/16 and 1/32
BOTTLENECK = 4  # a unit's width over that of its middle


def shuffle_seg_skipnet(classes: int = 2) -> PaddedNetwork:
    """ShuffleSeg with skips; padded to multiples of 32."""
    return PaddedNetwork(ShuffleSeg(classes))


class ShuffleSeg(nn.Module):
    """(N, 3, H, W), multiples of 32 -> logits (N, classes, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvBNAct(3, STEM_CHANNELS, stride=2), nn.MaxPool2d(3, stride=2, padding=1))
        self.stages, in_channels = nn.ModuleList(), STEM_CHANNELS
        for channels, units in STAGES:
            first = ShuffleUnit(in_channels, channels, stride=2)
            self.stages.append(nn.Sequential(first, *(ShuffleUnit(channels, channels) for _ in range(units - 1))))
            in_channels = channels
        self.decoder = ScoreLadder([channels for channels, _ in STAGES], classes, stride=8)

    def forward(self, images: Tensor) -> Tensor:
        features, x = [], self.stem(images)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return self.decoder(features)


class ShuffleUnit(nn.Module):
    """(N, in, H, W) -> (N, out, H/stride, W/stride): figure 2; at stride 2 the halved input is placed beside it."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        added = out_channels if stride == 1 else out_channels - in_channels
        middle = out_channels // BOTTLENECK
        self.stride = stride
        self.reduce = ConvBNAct(in_channels, middle, 1, groups=1 if in_channels == STEM_CHANNELS else GROUPS)
        self.expand = nn.Sequential(
            ConvBNAct(middle, middle, stride=stride, groups=middle, act=None),
            ConvBNAct(middle, added, 1, groups=GROUPS, act=None),
        )

    def forward(self, x: Tensor) -> Tensor:
        branch = self.expand(shuffle_channels(self.reduce(x), GROUPS))
        if self.stride == 1:
            return F.relu(x + branch)
        return F.relu(concatenated(F.avg_pool2d(x, 3, stride=2, padding=1), branch))
