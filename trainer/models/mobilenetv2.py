"""MobileNetV2, arXiv 1801.04381, as the encoder of other networks: torchvision's layers, cut where strides change."""

from itertools import pairwise

from torch import Tensor, nn
from torchvision.models import mobilenet_v2

from trainer.models.blocks import ConvBNAct

ENDS = [2, 4, 7, 14, 18]  # torchvision's layers up to strides 2, 4, 8, 16 and 32
CHANNELS = [16, 24, 32, 96, 320]


def mobilenetv2_stages() -> nn.ModuleList:
    """Stages for strides 2, 4, 8, 16 and 32, without the last 1x1 convolution.

    PortraitNet's first block has an expansion by 1, a 1x1 convolution that torchvision leaves out; so has this one.
    """
    layers = mobilenet_v2().features[: ENDS[-1]]
    layers[0].append(ConvBNAct(32, 32, 1))
    return nn.ModuleList(layers[begin:end] for begin, end in pairwise([0, *ENDS]))


def stage_outputs(stages: nn.ModuleList, images: Tensor) -> list[Tensor]:
    """(N, 3, H, W) -> features (N, CHANNELS[i], H/2^(i+1), W/2^(i+1)) of every stage."""
    features, x = [], images
    for stage in stages:
        x = stage(x)
        features.append(x)
    return features
