"""BiSeNet, ECCV 2018, on ResNet-18: images float (N, 3, H, W) -> logits (N, classes, H, W).

A spatial path of three convolutions keeps detail at 1/8; a context path, ResNet-18 with attention at 1/16 and 1/32,
is enlarged to it; a feature fusion module turns both directly into class scores. 11,896,664 parameters with two
classes: the published 12,409,664 include ResNet's classifier of 1,000 classes, 513,000 that no output uses.
"""

from itertools import pairwise

from torch import Tensor, nn
from torchvision.models import resnet18

from trainer.models.blocks import ConvBNAct, concatenated, enlarged
from trainer.models.padding import PaddedNetwork

SPATIAL_CHANNELS = (64, 128, 256)  # at 1/2, 1/4 and 1/8
CONTEXT_CHANNELS = (256, 512)  # at 1/16 and 1/32


def bisenet_resnet18(classes: int = 2) -> PaddedNetwork:
    """BiSeNet without its auxiliary heads; padded to multiples of 32."""
    spatial = nn.Sequential(*(ConvBNAct(*widths, stride=2, bias=True) for widths in pairwise([3, *SPATIAL_CHANNELS])))
    resnet = resnet18()
    stride16 = nn.Sequential(
        resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool, resnet.layer1, resnet.layer2, resnet.layer3
    )
    return PaddedNetwork(BiSeNet(spatial, stride16, resnet.layer4, SPATIAL_CHANNELS[-1], CONTEXT_CHANNELS, classes))


class BiSeNet(nn.Module):
    """(N, 3, H, W), multiples of 32 -> logits (N, classes, H, W).

    `spatial` goes from the image to 1/8, `stride16` from the image to 1/16, `stride32` on from there.
    """

    def __init__(
        self,
        spatial: nn.Module,
        stride16: nn.Module,
        stride32: nn.Module,
        spatial_channels: int,
        context_channels: tuple[int, int],
        classes: int,
    ) -> None:
        super().__init__()
        self.spatial, self.stride16, self.stride32 = spatial, stride16, stride32
        self.attention16, self.attention32 = (AttentionRefinement(width) for width in context_channels)
        self.fusion = FeatureFusion(spatial_channels + sum(context_channels), classes)
        self.classifier = nn.Conv2d(classes, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        detail = self.spatial(images)  # (N, spatial, H/8, W/8)
        stride16 = self.stride16(images)  # (N, context[0], H/16, W/16)
        stride32 = self.stride32(stride16)  # (N, context[1], H/32, W/32)
        context32 = self.attention32(stride32) * stride32.mean(dim=(2, 3), keepdim=True)
        context = enlarged(self.attention16(stride16), 2), enlarged(context32, 4)
        return enlarged(self.classifier(self.fusion(concatenated(detail, *context))), 8)


class AttentionRefinement(nn.Module):
    """(N, C, H, W) -> (N, C, H, W): each channel scaled by a number in [0, 1] of all channel means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight(x.mean(dim=(2, 3), keepdim=True))


class FeatureFusion(nn.Module):
    """(N, in, H, W) -> (N, classes, H, W): convolution, then attention over the classes, added to it."""

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        self.reduce = ConvBNAct(in_channels, classes, bias=True)
        self.weight = nn.Sequential(
            nn.Conv2d(classes, classes, 1), nn.ReLU(), nn.Conv2d(classes, classes, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        return reduced + reduced * self.weight(reduced.mean(dim=(2, 3), keepdim=True))
