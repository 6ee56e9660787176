"""PortraitNet, Computers & Graphics 2019: images float (N, 3, H, W) -> logits (N, classes, H, W).

MobileNetV2 down to 1/32, then five times a residual block and a transposed convolution; features of 1/16, 1/8 and 1/4
are added. 2,080,760 parameters with two classes, 2,080,904 with the edge head, which only training uses: give
`--edge-weight 0.1 --consistency 2`, the paper's weights.
"""

from itertools import pairwise

from torch import Tensor, nn

from trainer.models.blocks import ConvBNAct, SeparableConv
from trainer.models.mobilenetv2 import CHANNELS, mobilenetv2_stages, stage_outputs
from trainer.models.padding import PaddedNetwork, pad_to_multiple

DECODER_CHANNELS = [96, 32, 24, 16, 8]  # at 1/16, 1/8, 1/4, 1/2 and 1
EDGE_CLASSES = 2  # elsewhere, edge


def portraitnet(classes: int = 2) -> PaddedNetwork:
    """PortraitNet without the edge head."""
    return PaddedNetwork(PortraitNet(classes))


def portraitnet_edge(classes: int = 2) -> "PaddedEdgeNetwork":
    """PortraitNet with the edge head."""
    return PaddedEdgeNetwork(PortraitNetEdge(classes))


class PortraitNet(nn.Module):
    """(N, 3, H, W), multiples of 32 -> logits (N, classes, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = mobilenetv2_stages()
        self.decoder = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(in_channels, channels),
                nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, bias=False),
            )
            for in_channels, channels in pairwise([CHANNELS[-1], *DECODER_CHANNELS])
        )
        self.classifier = nn.Conv2d(DECODER_CHANNELS[-1], classes, 3, padding=1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 8, H, W)."""
        _, stride4, stride8, stride16, x = stage_outputs(self.encoder, images)
        for block, skip in zip(self.decoder, (stride16, stride8, stride4, None, None), strict=True):
            x = block(x) if skip is None else block(x) + skip
        return x


class PortraitNetEdge(PortraitNet):
    """As PortraitNet, with logits of elsewhere and edge from the same features."""

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.edge = nn.Conv2d(DECODER_CHANNELS[-1], EDGE_CLASSES, 3, padding=1, bias=False)

    def training_outputs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) -> logits (N, classes, H, W) and (N, 2, H, W)."""
        features = self.features(images)
        return self.classifier(features), self.edge(features)


class PaddedEdgeNetwork(PaddedNetwork):
    """A padded network whose `body` has an edge head."""

    body: PortraitNetEdge

    def training_outputs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) -> logits (N, classes, H, W), and edge logits (N, 2, H, W), which only training uses."""
        height, width = images.shape[-2:]
        logits, edges = self.body.training_outputs(pad_to_multiple(images, self.side_multiple_px))
        return logits[..., :height, :width], edges[..., :height, :width]


class ResidualBlock(nn.Module):
    """(N, in, H, W) -> (N, out, H, W): two separable convolutions beside a 1x1 one."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            SeparableConv(in_channels, out_channels), SeparableConv(out_channels, out_channels, act=None)
        )
        self.shortcut = ConvBNAct(in_channels, out_channels, 1, act=None)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.block(x) + self.shortcut(x))
