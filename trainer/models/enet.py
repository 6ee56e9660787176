"""ENet, arXiv 1606.02147: images float (N, 3, H, W) -> logits (N, classes, H, W).

Bottlenecks whose middle convolution is plain, dilated or split into 5x1 and 1x5; the decoder puts values back where
max pooling took them. One PReLU slope for each bottleneck and 3x3 transposed convolutions are the readings that meet
the published count, 355,542 parameters with two classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.models.blocks import ConvBNAct, concatenated, unpool
from trainer.models.padding import PaddedNetwork

# Table 1, stages 2 and 3: dilation of the middle convolution, 0 for the asymmetric one.
WIDE_MODULES = [1, 2, 0, 4, 1, 8, 0, 16]
REDUCTION = 4  # a bottleneck's inner width, section 4
EARLY_DROPOUT, DROPOUT = 0.01, 0.1  # section 4: before and after bottleneck 2.0


def enet(classes: int = 2) -> PaddedNetwork:
    """ENet as in the paper's table 1; padded to multiples of 8."""
    return PaddedNetwork(ENet(classes), side_multiple_px=8)


class ENet(nn.Module):
    """(N, 3, H, W), multiples of 8 -> logits (N, classes, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 13, 3, stride=2, padding=1, bias=False)
        self.stem_norm = nn.Sequential(nn.BatchNorm2d(16), nn.PReLU())
        self.down4 = Downsampling(16, 64, EARLY_DROPOUT)
        self.stage4 = nn.Sequential(*(Bottleneck(64, dropout=EARLY_DROPOUT) for _ in range(4)))
        self.down8 = Downsampling(64, 128, DROPOUT)
        self.stage8 = nn.Sequential(*(Bottleneck(128, dilation=dilation) for dilation in 2 * WIDE_MODULES))
        self.up4 = Upsampling(128, 64)
        self.decoder4 = nn.Sequential(*(Bottleneck(64, act=nn.ReLU) for _ in range(2)))
        self.up2 = Upsampling(64, 16)
        self.decoder2 = Bottleneck(16, act=nn.ReLU)
        self.classifier = nn.ConvTranspose2d(16, classes, 3, stride=2, padding=1, output_padding=1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        stem = concatenated(self.stem(images), F.max_pool2d(images, 3, stride=2, padding=1))
        x, indices4 = self.down4(self.stem_norm(stem))  # (N, 64, H/4, W/4)
        x, indices8 = self.down8(self.stage4(x))  # (N, 128, H/8, W/8)
        x = self.decoder4(self.up4(self.stage8(x), indices8))  # (N, 64, H/4, W/4)
        x = self.decoder2(self.up2(x, indices4))  # (N, 16, H/2, W/2)
        return self.classifier(x)


class Bottleneck(nn.Module):
    """(N, C, H, W) -> (N, C, H, W): figure 2b without resampling; dilation 0 is the asymmetric convolution."""

    def __init__(
        self, channels: int, *, dilation: int = 1, dropout: float = DROPOUT, act: type[nn.Module] = nn.PReLU
    ) -> None:
        super().__init__()
        inner = channels // REDUCTION
        middle = [(3, 3)] if dilation else [(5, 1), (1, 5)]
        self.inner = nn.ModuleList(
            [
                ConvBNAct(channels, inner, 1, act=None),
                *(ConvBNAct(inner, inner, kernel, dilation=max(dilation, 1), act=None) for kernel in middle),
            ]
        )
        self.expand = nn.Sequential(ConvBNAct(inner, channels, 1, act=None), nn.Dropout2d(dropout))
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        branch = x
        for convolve in self.inner:
            branch = self.act(convolve(branch))
        return self.act(x + self.expand(branch))


class Downsampling(nn.Module):
    """(N, in, H, W) -> (N, out, H/2, W/2) and the indices of its max pooling, (N, in, H/2, W/2)."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        inner = in_channels // REDUCTION
        self.added_channels = out_channels - in_channels
        self.inner = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(in_channels, inner, 2, stride=2, bias=False), nn.BatchNorm2d(inner)),
                ConvBNAct(inner, inner, 3, act=None),
            ]
        )
        self.expand = nn.Sequential(ConvBNAct(inner, out_channels, 1, act=None), nn.Dropout2d(dropout))
        self.act = nn.PReLU()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled, indices = F.max_pool2d(x, 2, stride=2, return_indices=True)
        padded = F.pad(pooled, (0, 0, 0, 0, 0, self.added_channels))
        branch = x
        for convolve in self.inner:
            branch = self.act(convolve(branch))
        return self.act(padded + self.expand(branch)), indices


class Upsampling(nn.Module):
    """(N, in, H, W) and indices (N, out, H, W) -> (N, out, 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        inner = in_channels // REDUCTION
        self.project = ConvBNAct(in_channels, out_channels, 1, act=None)
        self.branch = nn.Sequential(
            ConvBNAct(in_channels, inner, 1),
            nn.ConvTranspose2d(inner, inner, 3, stride=2, padding=1, output_padding=1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            ConvBNAct(inner, out_channels, 1, act=None),
            nn.Dropout2d(DROPOUT),
        )

    def forward(self, x: Tensor, indices: Tensor) -> Tensor:
        return torch.relu(unpool(self.project(x), indices) + self.branch(x))
