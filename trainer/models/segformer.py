"""SegFormer-B0 whose logits are at full size: images float (N, 3, H, W) -> logits (N, classes, H, W).

smp's network, arXiv 2105.15203, decodes at 1/4 and enlarges its logits. Here two up-sampling convolutions come before
the classifier, as in the network that FastSeg publishes weights of. 3,898,978 parameters with two classes; four times
the multiply-accumulates.
"""

import segmentation_models_pytorch as smp
from torch import Tensor, nn

from trainer.models.blocks import ConvBNAct, enlarged, prelu
from trainer.models.padding import PaddedNetwork

DECODER_CHANNELS = 256  # smp's default
UPSAMPLING_CHANNELS = (64, 64)  # at 1/2 and 1


def segformer_b0_upsampling(classes: int = 2) -> PaddedNetwork:
    """SegFormer-B0 with convolutional up-sampling; padded to multiples of 32."""
    return PaddedNetwork(UpsamplingSegFormer(classes))


class UpsamplingSegFormer(nn.Module):
    """(N, 3, H, W), multiples of 32 -> logits (N, classes, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        network = smp.Segformer(
            "mit_b0", encoder_weights=None, decoder_segmentation_channels=DECODER_CHANNELS, classes=classes
        )
        half, full = UPSAMPLING_CHANNELS
        self.encoder, self.decoder = network.encoder, network.decoder
        self.up2 = ConvBNAct(DECODER_CHANNELS, half, act=prelu)
        self.up1 = ConvBNAct(half, full, act=prelu)
        self.classifier = nn.Conv2d(full, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        quarter = self.decoder(self.encoder(images))  # (N, 256, H/4, W/4)
        half = self.up2(enlarged(quarter, 2))
        return self.classifier(self.up1(enlarged(half, 2)))
