"""ExtremeC3Net, arXiv 1908.03093: images float (N, 3, H, W) -> logits (N, classes, H, W).

SINet's predecessor. A coarse network at 1/4 of advanced C3 modules, whose dilated depthwise convolutions come after a
column and a row that gather their surroundings; a fine one, of a single module, at 1/2. 37,762 parameters with two
classes.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from trainer.models.blocks import BNAct, ConvBNAct, concatenated, enlarged, prelu
from trainer.models.padding import PaddedNetwork

STEM_CHANNELS, STRIDE4_CHANNELS, DEEP_CHANNELS, FINE_CHANNELS = 24, 48, 56, 24
Dilations = tuple[int, int, int]
DOWN: Dilations = (1, 2, 3)
STRIDE4_MODULES: list[Dilations] = [(1, 3, 4)]
WIDEN: Dilations = (1, 3, 5)
DEEP_MODULES: list[Dilations] = [(2, 4, 8)] * 5
FINE: Dilations = (2, 4, 8)


def extremec3(classes: int = 2) -> PaddedNetwork:
    """ExtremeC3Net; padded to multiples of 4."""
    return PaddedNetwork(ExtremeC3Net(classes), side_multiple_px=4)


class ExtremeC3Net(nn.Module):
    """(N, 3, H, W), multiples of 4 -> logits (N, classes, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = ConvBNAct(3, STEM_CHANNELS, stride=2, act=prelu)
        self.merge2 = BNAct(STEM_CHANNELS + 3)
        self.down4 = C3Module(STEM_CHANNELS + 3, STRIDE4_CHANNELS, DOWN, stride=2)
        self.stage4 = _modules(STRIDE4_CHANNELS, STRIDE4_MODULES)
        self.merge4 = BNAct(2 * STRIDE4_CHANNELS + 3)
        self.widen = C3Module(2 * STRIDE4_CHANNELS + 3, DEEP_CHANNELS, WIDEN)
        self.deep = _modules(DEEP_CHANNELS, DEEP_MODULES)
        self.merge_deep = BNAct(2 * DEEP_CHANNELS)
        self.coarse = ConvBNAct(2 * DEEP_CHANNELS, FINE_CHANNELS, 1, act=None)
        self.fine = nn.Sequential(
            nn.Conv2d(3, FINE_CHANNELS, 3, stride=2, padding=1, bias=False),
            C3Module(FINE_CHANNELS, FINE_CHANNELS, FINE),
        )
        self.merge = BNAct(FINE_CHANNELS)
        self.classifier = nn.Conv2d(FINE_CHANNELS, classes, 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        half = F.avg_pool2d(images, 2)
        down4 = self.down4(self.merge2(concatenated(self.stem(images), half)))  # (N, 48, H/4, W/4)
        merged4 = self.merge4(concatenated(self.stage4(down4), down4, F.avg_pool2d(half, 2)))
        wide = self.widen(merged4)  # (N, 56, H/4, W/4)
        coarse = self.coarse(self.merge_deep(concatenated(wide, self.deep(wide))))
        merged = self.merge(enlarged(coarse, 2) + self.fine(images))  # (N, 24, H/2, W/2)
        return self.classifier(enlarged(merged, 2))


class C3Module(nn.Module):
    """(N, in, H, W) -> (N, out, H/stride, W/stride): three C3 blocks of a reduced map; equal widths add the input."""

    def __init__(self, in_channels: int, out_channels: int, dilations: Dilations, *, stride: int = 1) -> None:
        super().__init__()
        narrow = out_channels // len(dilations)
        first = out_channels - narrow * (len(dilations) - 1)
        kernel = 1 if stride == 1 else 3
        self.residual = stride == 1 and in_channels == out_channels
        self.reduce = nn.Conv2d(in_channels, narrow, kernel, stride, padding=kernel // 2, bias=False)
        self.branches = nn.ModuleList(
            _c3_block(narrow, narrow if i else first, dilation) for i, dilation in enumerate(dilations)
        )
        self.norm_act = BNAct(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        merged = concatenated(*(branch(reduced) for branch in self.branches))
        return self.norm_act(merged + x if self.residual else merged)


def _c3_block(channels: int, out_channels: int, dilation: int) -> nn.Sequential:
    """Column and row of 2 * dilation - 1, dilated 3x3, all depthwise, then 1x1; at dilation 1 no column and row."""
    reach = dilation - 1
    column = nn.Conv2d(channels, channels, (2 * reach + 1, 1), padding=(reach, 0), groups=channels, bias=False)
    row = nn.Conv2d(channels, channels, (1, 2 * reach + 1), padding=(0, reach), groups=channels, bias=False)
    gather = [column, nn.BatchNorm2d(channels), nn.PReLU(channels), row, nn.BatchNorm2d(channels)]
    return nn.Sequential(
        *(gather if reach else []),
        nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, groups=channels, bias=False),
        nn.Conv2d(channels, out_channels, 1, bias=False),
    )


def _modules(channels: int, table: list[Dilations]) -> nn.Sequential:
    return nn.Sequential(*(C3Module(channels, channels, dilations) for dilations in table))
