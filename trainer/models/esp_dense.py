"""ESP-Dense, of Fast_Portrait_Segmentation: images (N, 3, H, W) -> logits (N, classes, H, W).

At each stride a pyramid of six dilated branches halves the map, and a dilated dense block of it is placed beside it,
which doubles the channels: 12, 24, 48, 96, 192. Scores of all are added. 259,388 parameters with two classes, a
reading by widths and kinds of blocks: the authors' 240,777 of one class include norms that no output uses.
"""

from torch import Tensor, nn

from trainer.models.blocks import ConvBNAct, ResidualDense, concatenated, prelu
from trainer.models.espnet import SpatialPyramid
from trainer.models.padding import PaddedNetwork
from trainer.models.score_ladder import ScoreLadder

CHANNELS = [12, 24, 48, 96, 192]  # at 1/2, 1/4, 1/8, 1/16 and 1/32
DILATIONS = (1, 2, 4, 8, 12, 16)  # of a pyramid's branches and of a dense block's layers
GROWTH = 12  # channels of a dense block's layer


def esp_dense_seg(classes: int = 2) -> PaddedNetwork:
    """ESP-Dense; padded to multiples of 32."""
    return PaddedNetwork(ESPDense(classes))


class ESPDense(nn.Module):
    """(N, 3, H, W), multiples of 32 -> logits (N, classes, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = ConvBNAct(3, CHANNELS[0], stride=2, act=prelu)
        self.down = nn.ModuleList(
            SpatialPyramid(width, width, stride=2, dilations=DILATIONS) for width in CHANNELS[:-1]
        )
        self.dense = nn.ModuleList(ResidualDense(width, GROWTH, DILATIONS) for width in CHANNELS[:-1])
        self.decoder = ScoreLadder(CHANNELS, classes, stride=2)

    def forward(self, images: Tensor) -> Tensor:
        features = [self.stem(images)]
        for down, dense in zip(self.down, self.dense, strict=True):
            x = down(features[-1])
            features.append(concatenated(x, dense(x)))
        return self.decoder(features)
