"""SINet for street scenes (its authors' Cityscapes experiment): images (N, 3, H, W) -> logits (N, classes, H, W).

Deeper by one stride than the portrait network: modules at 1/8 and 1/16, their depthwise convolutions factorised
into a column and a row, information blocking at 1/8 and again at 1/4. The network ends at half the input's size
and its logits are enlarged to it. 119,418 parameters with 19 classes. Sides that are no multiple of 128 are padded.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.models.padding import pad_to_multiple
from trainer.models.sinet import (
    BATCH_NORM_EPS,
    BNPReLU,
    ConvBNPReLU,
    DownSampling,
    InformationBlocking,
    S2Module,
    Table,
)

# Kernel size and pooling of each module's branches; pooling 0 is a plain 3x3, not factorised.
STRIDE8_MODULES: Table = [
    ((3, 1), (5, 1)),
    ((3, 0), (3, 1)),
    ((3, 0), (3, 1)),
]
STRIDE16_MODULES: Table = [
    ((3, 1), (5, 1)),
    ((3, 0), (3, 1)),
    ((5, 1), (5, 4)),
    ((3, 2), (5, 8)),
    ((3, 1), (5, 1)),
    ((3, 1), (5, 1)),
    ((3, 0), (3, 1)),
    ((5, 1), (5, 8)),
    ((3, 2), (5, 4)),
    ((3, 0), (5, 2)),
]
STEM_CHANNELS = 16
STRIDE8_CHANNELS = 24, 60  # after the down-sampling, after the modules
STRIDE16_CHANNELS = 60, 84, 108  # after the down-sampling, the first five modules, the last five
SIDE_MULTIPLE_PX = 128  # stride 16, and the widest pooling there is 8


def sinet_cityscapes(classes: int = 2) -> "SINetCityscapes":
    """The authors' network for Cityscapes; there with 19 classes."""
    return SINetCityscapes(classes)


class SINetCityscapes(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = Encoder(classes)
        self.norm8 = nn.BatchNorm2d(classes, eps=BATCH_NORM_EPS)
        self.skip8 = ConvBNPReLU(STRIDE8_CHANNELS[1], classes, kernel_size=1)
        self.norm4 = nn.BatchNorm2d(classes, eps=BATCH_NORM_EPS)
        self.classifier = nn.ConvTranspose2d(classes, classes, 2, stride=2, bias=False)
        self.gate = InformationBlocking(classes)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        low, high8, high4 = self.encoder.features(pad_to_multiple(images, SIDE_MULTIPLE_PX))
        coarse8 = self.norm8(_double(low))  # (N, classes, H/8, W/8)
        coarse4 = self.norm4(_double(self.skip8(high8) * self.gate(coarse8) + coarse8))  # (N, classes, H/4, W/4)
        logits = self.classifier(high4 * self.gate(coarse4) + coarse4)  # (N, classes, H/2, W/2)
        return _double(logits)[..., :height, :width]


class Encoder(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H/16, W/16)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        reduced8, wide8 = STRIDE8_CHANNELS
        reduced16, middle16, wide16 = STRIDE16_CHANNELS
        half = len(STRIDE16_MODULES) // 2
        self.stem = ConvBNPReLU(3, STEM_CHANNELS, kernel_size=3, stride=2)
        self.downsample4 = DownSampling(STEM_CHANNELS, classes, squeeze=1)
        self.downsample8 = DownSampling(classes, reduced8, squeeze=1)
        self.modules8 = _modules(reduced8, wide8, STRIDE8_MODULES)
        self.merge8 = BNPReLU(reduced8 + wide8)
        self.downsample16 = DownSampling(reduced8 + wide8, reduced16, squeeze=2)
        self.modules16 = nn.Sequential(
            *_modules(reduced16, middle16, STRIDE16_MODULES[:half]),
            *_modules(middle16, wide16, STRIDE16_MODULES[half:]),
        )
        self.merge16 = BNPReLU(reduced16 + wide16)
        self.classifier = nn.Conv2d(reduced16 + wide16, classes, 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images)[0]

    def features(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> logits at 1/16, features (N, 60, H/8, W/8) and (N, classes, H/4, W/4)."""
        quarter = self.downsample4(self.stem(images))  # (N, classes, H/4, W/4)
        reduced8 = self.downsample8(quarter)
        skip8 = self.modules8(reduced8)  # (N, 60, H/8, W/8)
        reduced16 = self.downsample16(self.merge8(torch.cat([reduced8, skip8], dim=1)))
        merged16 = self.merge16(torch.cat([reduced16, self.modules16(reduced16)], dim=1))  # (N, 168, H/16, W/16)
        return self.classifier(merged16), skip8, quarter


class FactorisedBlock(nn.Module):
    """(N, C, H, W) -> (N, C, H, W): an S2 block whose depthwise convolution is the sum of a column and a row."""

    def __init__(self, channels: int, *, kernel_size: int, pooling: int) -> None:
        super().__init__()
        self.pooling = pooling
        shapes = [(3, 3)] if pooling == 0 else [(kernel_size, 1), (1, kernel_size)]
        self.depthwise = nn.ModuleList(_depthwise(channels, shape) for shape in shapes)
        self.act = nn.PReLU(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        squeezed = F.avg_pool2d(x, self.pooling) if self.pooling > 1 else x
        mixed = self.pointwise(self.act(sum(convolve(squeezed) for convolve in self.depthwise)))
        if self.pooling > 1:
            mixed = F.interpolate(mixed, scale_factor=float(self.pooling), mode="bilinear", align_corners=True)
        return self.norm(mixed)


def _depthwise(channels: int, shape: tuple[int, int]) -> nn.Sequential:
    padding = shape[0] // 2, shape[1] // 2
    convolution = nn.Conv2d(channels, channels, shape, padding=padding, groups=channels, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS))


def _modules(in_channels: int, channels: int, table: Table) -> nn.Sequential:
    widths = [in_channels] + [channels] * (len(table) - 1)
    return nn.Sequential(
        *(S2Module(width, channels, row, FactorisedBlock) for width, row in zip(widths, table, strict=True))
    )


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
