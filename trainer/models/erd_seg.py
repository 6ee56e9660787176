"""ERD, segmentation and matting, of mobile_phone_human_matting: images (N, 3, H, W) -> logits (N, 2, H, W).

An encoder of residual dense blocks, fed the pooled image at every stride, and a ladder of class scores; `erd_matting`
refines them by a feather head of 1,035 parameters, the published count. The encoder, 813,584 parameters, is a reading
by widths and kinds of blocks: of those with one growth, kernels of 3x3 and equal blocks it is the nearest to the
authors' 828,190.
"""

from itertools import pairwise

from torch import Tensor, nn

from trainer.models.blocks import ConvBNAct, ResidualDense, concatenated, halved, prelu
from trainer.models.feather import FeatherNetwork
from trainer.models.padding import PaddedNetwork
from trainer.models.score_ladder import ScoreLadder

CHANNELS = [12, 24, 48, 96, 192]  # at 1/2, 1/4, 1/8, 1/16 and 1/32
LAYERS, GROWTH_DIVISOR = 5, 6  # of a dense block: its convolutions, its width over theirs


def erd_seg(classes: int = 2) -> PaddedNetwork:
    """The segmentation part; padded to multiples of 32."""
    return PaddedNetwork(ERDSeg(classes))


def erd_matting() -> FeatherNetwork:
    """Segmentation and feather head."""
    return FeatherNetwork(erd_seg())


class ERDSeg(nn.Module):
    """(N, 3, H, W), multiples of 32 -> logits (N, classes, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = ConvBNAct(3, CHANNELS[0], stride=2, act=prelu)
        self.stages = nn.ModuleList(
            nn.Sequential(
                ConvBNAct(in_channels + 3, channels, stride=2, act=prelu),
                ResidualDense(channels, channels // GROWTH_DIVISOR, [1] * LAYERS),
            )
            for in_channels, channels in pairwise(CHANNELS)
        )
        self.decoder = ScoreLadder(CHANNELS, classes, stride=2)

    def forward(self, images: Tensor) -> Tensor:
        features, pooled = [self.stem(images)], halved(images)
        for stage in self.stages:
            features.append(stage(concatenated(features[-1], pooled)))
            pooled = halved(pooled)
        return self.decoder(features)
