"""BiSeNet on residual dense blocks, of Fast_Portrait_Segmentation: images (N, 3, H, W) -> logits (N, classes, H, W).

BiSeNet's two paths, an eighth as wide. 127,950 parameters with two classes, a reading by widths and kinds of blocks:
the authors' network pools windows of fixed sizes, so that it holds only for images of 512 px, and has 142,761 with one.
"""

from itertools import pairwise

from torch import nn

from trainer.models.bisenet import BiSeNet
from trainer.models.blocks import ConvBNAct, ResidualDense
from trainer.models.padding import PaddedNetwork

SPATIAL_CHANNELS = (8, 12, 16)  # at 1/2, 1/4 and 1/8
CONTEXT_CHANNELS = (8, 12, 24, 48, 64)  # at 1/2, ..., 1/32
DILATIONS = (1, 1, 1)  # one for each layer of a dense block
GROWTH_DIVISOR = 4  # a block's width over that of its layers


def residualdense_bisenet(classes: int = 2) -> PaddedNetwork:
    """BiSeNet on residual dense blocks; padded to multiples of 32."""
    spatial = nn.Sequential(*(ConvBNAct(*widths, stride=2) for widths in pairwise([3, *SPATIAL_CHANNELS])))
    *stages, last = (
        nn.Sequential(ConvBNAct(in_channels, width, stride=2), ResidualDense(width, width // GROWTH_DIVISOR, DILATIONS))
        for in_channels, width in pairwise([3, *CONTEXT_CHANNELS])
    )
    return PaddedNetwork(
        BiSeNet(spatial, nn.Sequential(*stages), last, SPATIAL_CHANNELS[-1], CONTEXT_CHANNELS[-2:], classes)
    )
