"""SegFormer-B0 whose logits are at full size: images float (N, 3, H, W) -> logits (N, classes, H, W).

smp's network, arXiv 2105.15203, decodes at 1/4 and enlarges its logits. Here two up-sampling convolutions come before
the classifier, as in the network that FastSeg publishes weights of. 3,898,978 parameters with two classes; four times
the multiply-accumulates.

`sersegformer_b0` adds two of FastSeg's modules, which its published weights leave off: gates (AbG) after the norms of
the patch embeddings and of the reduced keys and values, and after the Mix-FFN's activation; sums of dilated
convolutions (DbN) of the decoder's inputs of 1/4 and 1/8. 4,038,082 parameters. The gates' places within those layers
are a reading.
"""

import segmentation_models_pytorch as smp
from segmentation_models_pytorch.encoders.mix_transformer import Attention, Mlp, OverlapPatchEmbed
from torch import Tensor, nn

from trainer.models.blocks import ConvBNAct, enlarged, prelu
from trainer.models.padding import PaddedNetwork
from trainer.models.sernet import AttentionBoostingGate, DilatedSum

DECODER_CHANNELS = 256  # smp's default
UPSAMPLING_CHANNELS = (64, 64)  # at 1/2 and 1
DILATED_CHANNELS = (32, 64)  # of the features of 1/4 and 1/8


def segformer_b0_upsampling(classes: int = 2) -> PaddedNetwork:
    """SegFormer-B0 with convolutional up-sampling; padded to multiples of 32."""
    return PaddedNetwork(UpsamplingSegFormer(classes))


def sersegformer_b0(classes: int = 2) -> PaddedNetwork:
    """SegFormer-B0 with convolutional up-sampling, gates and dilated sums; padded to multiples of 32."""
    body = UpsamplingSegFormer(classes)
    add_gates(body.encoder)
    body.refine = nn.ModuleList(DilatedSum(channels) for channels in DILATED_CHANNELS)
    return PaddedNetwork(body)


class UpsamplingSegFormer(nn.Module):
    """(N, 3, H, W), multiples of 32 -> logits (N, classes, H, W). `refine` are modules of features of 1/4 and 1/8."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        network = smp.Segformer(
            "mit_b0", encoder_weights=None, decoder_segmentation_channels=DECODER_CHANNELS, classes=classes
        )
        half, full = UPSAMPLING_CHANNELS
        self.encoder, self.decoder = network.encoder, network.decoder
        self.refine = nn.ModuleList(nn.Identity() for _ in DILATED_CHANNELS)
        self.up2 = ConvBNAct(DECODER_CHANNELS, half, act=prelu)
        self.up1 = ConvBNAct(half, full, act=prelu)
        self.classifier = nn.Conv2d(full, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        *larger, stride4, stride8, stride16, stride32 = self.encoder(images)
        refine4, refine8 = self.refine
        quarter = self.decoder([*larger, refine4(stride4), refine8(stride8), stride16, stride32])  # (N, 256, H/4, W/4)
        half = self.up2(enlarged(quarter, 2))
        return self.classifier(self.up1(enlarged(half, 2)))


def add_gates(encoder: nn.Module) -> None:
    """Put a gate behind the patch embeddings, the reduced keys and values and the Mix-FFN's activations."""
    for module in list(encoder.modules()):
        if isinstance(module, OverlapPatchEmbed) or (isinstance(module, Attention) and module.sr_ratio > 1):
            module.norm = nn.Sequential(module.norm, AttentionBoostingGate())
        elif isinstance(module, Mlp):
            module.act = nn.Sequential(module.act, AttentionBoostingGate())
