"""MobileNetV2 with a dilated U-Net, of Fast_Portrait_Segmentation: images (N, 3, H, W) -> logits (N, classes, H, W).

Four times a transposed convolution, the encoder's features of that size beside it, a dilated convolution; logits at 1/2
are enlarged. 2,378,217 parameters with one class, as the authors' network; 2,378,250 with two.
"""

from itertools import pairwise

from torch import Tensor, nn

from trainer.models.blocks import ConvBNAct, concatenated, enlarged
from trainer.models.mobilenetv2 import CHANNELS, mobilenetv2_stages, stage_outputs
from trainer.models.padding import PaddedNetwork

DECODER_CHANNELS = [192, 64, 48, 32]  # at 1/16, 1/8, 1/4 and 1/2, half of them the encoder's
DILATIONS = [2, 6, 12, 18]


def mobilenet_dilate_unet(classes: int = 2) -> PaddedNetwork:
    """MobileNetV2 with a dilated U-Net; padded to multiples of 32."""
    return PaddedNetwork(MobileNetDilateUNet(classes))


class MobileNetDilateUNet(nn.Module):
    """(N, 3, H, W), multiples of 32 -> logits (N, classes, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = mobilenetv2_stages()
        self.decoder = nn.ModuleList(
            DilatedUp(in_channels, channels, dilation)
            for (in_channels, channels), dilation in zip(
                pairwise([CHANNELS[-1], *DECODER_CHANNELS]), DILATIONS, strict=True
            )
        )
        narrow = DECODER_CHANNELS[-1]
        self.head = nn.Sequential(ConvBNAct(narrow, narrow), nn.Conv2d(narrow, classes, 1))

    def forward(self, images: Tensor) -> Tensor:
        *skips, x = stage_outputs(self.encoder, images)
        for up, skip in zip(self.decoder, reversed(skips), strict=True):
            x = up(x, skip)
        return enlarged(self.head(x), 2)


class DilatedUp(nn.Module):
    """(N, in, H, W) and skip features (N, out/2, 2H, 2W) -> (N, out, 2H, 2W); no activation."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels // 2, 2, stride=2)
        self.mix = ConvBNAct(out_channels, out_channels, dilation=dilation, act=None)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.mix(concatenated(self.up(x), skip))
