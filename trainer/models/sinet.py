"""SINet, WACV 2020: images float (N, 3, H, W) -> logits (N, classes, H, W), class 1 = person.

An encoder of spatial squeeze modules gives logits at 1/8; the information blocking decoder refines them with
high-resolution features, but only where the encoder is in doubt. Written from the paper and from measurements
of the authors' network, with which it agrees number for number. Sides that are no multiple of 32 are padded.

Three ways of writing keep the graph convertible to ONNX, CoreML and ncnn: squeeze-and-excite is made of 1x1
convolutions on (N, C, 1, 1), the gate is `1 - amax(softmax)` with broadcasting, the shuffle is a transpose.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from manifests.errors import UserError
from trainer.models.padding import pad_to_multiple
from trainer.models.upsample import BilinearUpsample, conv_of_upsampled

Branch = tuple[int, int]  # kernel size of the depthwise convolution, size of the average pooling

Table = list[tuple[Branch, Branch]]  # one entry for each module, two branches in each

# Table 2, rows 3-4 (stride 4) and 6-13 (stride 8).
STRIDE4_MODULES: Table = [
    ((3, 1), (5, 1)),
    ((3, 1), (3, 1)),
]
STRIDE8_MODULES: Table = [
    ((3, 1), (5, 1)),
    ((3, 1), (3, 1)),
    ((5, 1), (3, 2)),
    ((5, 2), (3, 4)),
    ((3, 1), (3, 1)),
    ((5, 1), (5, 1)),
    ((3, 2), (3, 4)),
    ((3, 1), (5, 2)),
]


def uniform_branches(kernel_size: int, pooling: int) -> tuple[Table, Table]:
    """Table 5: every branch of every module alike."""
    module = ((kernel_size, pooling), (kernel_size, pooling))
    return [module] * len(STRIDE4_MODULES), [module] * len(STRIDE8_MODULES)


BRANCHES: dict[str, tuple[Table, Table]] = {
    "paper": (STRIDE4_MODULES, STRIDE8_MODULES),
    "k3p1": uniform_branches(3, 1),
    "k3p2": uniform_branches(3, 2),
    "k3p4": uniform_branches(3, 4),
    "k5p1": uniform_branches(5, 1),
    "k5p2": uniform_branches(5, 2),
    "k5p4": uniform_branches(5, 4),
}

STEM_CHANNELS = 12
STRIDE4_CHANNELS = 16, 48  # after the down-sampling, after the modules
STRIDE8_CHANNELS = 48, 96

SIDE_MULTIPLE_PX = 32  # stride 8, and the widest pooling there is 4
BATCH_NORM_EPS = 1e-3  # the authors' code; with torch's 1e-5 their weights give noise


def sinet(classes: int = 2, gate: str = "ib", branches: str = "paper") -> "SINet":
    """SINet as in the paper, 86,910 parameters with two classes; UserError lists the known gates and branches."""
    for name, table in ((gate, GATES), (branches, BRANCHES)):
        if name not in table:
            raise UserError(f"expected one of {', '.join(table)}, found {name!r}")
    return SINet(Encoder(classes, BRANCHES[branches]), classes, gate)


class SINet(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H, W).

    Modules are created in the order of the authors' network: `load_authors_state_dict` relies on it.
    """

    def __init__(self, encoder: "Encoder", classes: int, gate: str = "ib") -> None:
        super().__init__()
        self.encoder = encoder
        self.norm4 = _batch_norm(classes)
        self.skip4 = ConvBNPReLU(STRIDE4_CHANNELS[1], classes, kernel_size=1)
        self.norm2 = _batch_norm(classes)
        self.classifier = nn.Conv2d(classes, classes, 3, padding=1, bias=False)
        self.upsample = BilinearUpsample(2)
        self.gate = GATES[gate](classes)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        logits = self.classifier(self.upsample(self._refined(images)))
        return logits[..., :height, :width]

    def person_logit(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, H, W): class 1's logit minus class 0's, all that a loss of two classes needs.

        In training it is much cheaper than the difference of `forward`'s, to which it is equal.
        """
        height, width = images.shape[-2:]
        weight = self.classifier.weight[1:2] - self.classifier.weight[:1]
        logit = conv_of_upsampled(self._refined(images), weight, self.upsample.factor)
        return logit[:, 0, :height, :width]

    def _refined(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, classes, H/2, W/2) of the padded images."""
        low, high = self.encoder.features(pad_to_multiple(images, SIDE_MULTIPLE_PX))  # at H/8 and at H/4
        coarse = self.norm4(self.upsample(low))  # (N, classes, H/4, W/4)
        refined = self.skip4(high) * self.gate(coarse) + coarse
        return self.norm2(self.upsample(refined))


class InformationBlocking(nn.Module):
    """Coarse logits (N, classes, H, W) -> (N, 1, H, W) in [0, 1/2]: high where the encoder is in doubt (figure 4)."""

    def __init__(self, classes: int) -> None:
        super().__init__()

    def forward(self, coarse: Tensor) -> Tensor:
        return 1 - coarse.softmax(dim=1).amax(dim=1, keepdim=True)


class ReverseBlocking(nn.Module):
    """Table 4, "reverse IB": high where the encoder is sure."""

    def __init__(self, classes: int) -> None:
        super().__init__()

    def forward(self, coarse: Tensor) -> Tensor:
        return coarse.softmax(dim=1).amax(dim=1, keepdim=True)


class NoBlocking(nn.Module):
    """Table 4, "remove IB": everything passes."""

    def __init__(self, classes: int) -> None:
        super().__init__()

    def forward(self, coarse: Tensor) -> Tensor:
        return coarse.new_ones(1)


class GlobalAttention(nn.Module):
    """Table 4, "GAU": (N, classes, H, W) -> (N, classes, 1, 1), a weight of each channel from the pooled coarse map.

    The paper names it, its authors' code doesn't have it: this is our reading of global attention upsampling.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.weight = nn.Conv2d(classes, classes, 1, bias=False)

    def forward(self, coarse: Tensor) -> Tensor:
        return self.weight(coarse.mean(dim=(2, 3), keepdim=True))


GATES: dict[str, Callable[[int], nn.Module]] = {
    "ib": InformationBlocking,
    "reverse": ReverseBlocking,
    "none": NoBlocking,
    "gau": GlobalAttention,
}


class Encoder(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H/8, W/8): what the first training stage fits on its own.

    ValueError unless H and W are multiples of 32.
    """

    def __init__(self, classes: int = 2, branches: tuple[Table, Table] = BRANCHES["paper"]) -> None:
        super().__init__()
        stride4, stride8 = branches
        reduced4, wide4 = STRIDE4_CHANNELS
        reduced8, wide8 = STRIDE8_CHANNELS
        self.stem = ConvBNPReLU(3, STEM_CHANNELS, kernel_size=3, stride=2)
        self.downsample4 = DownSampling(STEM_CHANNELS, reduced4, squeeze=1)
        self.modules4 = _s2_modules(reduced4, wide4, stride4)
        self.merge4 = BNPReLU(reduced4 + wide4)
        self.downsample8 = DownSampling(reduced4 + wide4, reduced8, squeeze=2)
        self.modules8 = _s2_modules(reduced8, wide8, stride8)
        self.merge8 = BNPReLU(reduced8 + wide8)
        self.classifier = nn.Conv2d(reduced8 + wide8, classes, 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images)[0]

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) -> logits (N, classes, H/8, W/8) and skip features (N, 48, H/4, W/4)."""
        _check_sides(images)
        reduced4 = self.downsample4(self.stem(images))  # (N, 16, H/4, W/4)
        skip = self.modules4(reduced4)  # (N, 48, H/4, W/4)
        merged4 = self.merge4(torch.cat([reduced4, skip], dim=1))
        reduced8 = self.downsample8(merged4)  # (N, 48, H/8, W/8)
        merged8 = self.merge8(torch.cat([reduced8, self.modules8(reduced8)], dim=1))  # (N, 144, H/8, W/8)
        return self.classifier(merged8), skip


class ConvBNPReLU(nn.Sequential):
    """(N, in, H, W) -> (N, out, H/stride, W/stride)."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False),
            _batch_norm(out_channels),
            nn.PReLU(out_channels),
        )


class BNPReLU(nn.Sequential):
    """(N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(_batch_norm(channels), nn.PReLU(channels))


class SqueezeExcite(nn.Module):
    """(N, C, H, W) -> (N, C, H, W), each channel scaled by a number computed from all channel means.

    `squeeze` 1 is a single layer, 2 a bottleneck of half the width. The scale passes a PReLU and no sigmoid,
    as in the authors' code: it has no bounds and may be negative.
    """

    def __init__(self, channels: int, *, squeeze: int) -> None:
        super().__init__()
        widths = [channels, channels] if squeeze == 1 else [channels, channels // squeeze, channels]
        self.excite = nn.Sequential()
        for width, next_width in pairwise(widths):
            self.excite.append(nn.Conv2d(width, next_width, 1))
            self.excite.append(nn.PReLU(next_width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.excite(x.mean(dim=(2, 3), keepdim=True))


class DownSampling(nn.Sequential):
    """(N, in, H, W) -> (N, out, H/2, W/2): the paper's DSConv+SE, squeeze-and-excite at the input's width."""

    def __init__(self, in_channels: int, out_channels: int, *, squeeze: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, in_channels, 3, stride=2, padding=1, groups=in_channels, bias=False),
            SqueezeExcite(in_channels, squeeze=squeeze),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            _batch_norm(out_channels),
            nn.PReLU(out_channels),
        )


class S2Block(nn.Sequential):
    """(N, C, H, W) -> (N, C, H, W): a depthwise convolution on a grid squeezed by `pooling` (figure 5a)."""

    def __init__(self, channels: int, *, kernel_size: int, pooling: int) -> None:
        squeezed = pooling > 1
        super().__init__(
            nn.AvgPool2d(pooling) if squeezed else nn.Identity(),
            nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels, bias=False),
            _batch_norm(channels),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 1, bias=False),
            BilinearUpsample(pooling) if squeezed else nn.Identity(),
            _batch_norm(channels),
        )


class S2Module(nn.Module):
    """(N, in, H, W) -> (N, out, H, W): two S2 blocks on the same reduced features (figure 5b).

    The input is added where its width allows, which is everywhere but in the first module of a stage.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        branches: tuple[Branch, Branch],
        block: Callable[..., nn.Module] = S2Block,
    ) -> None:
        super().__init__()
        half = out_channels // 2
        self.residual = in_channels == out_channels
        self.reduce = nn.Conv2d(in_channels, half, 1, groups=2, bias=False)
        self.block1, self.block2 = (block(half, kernel_size=k, pooling=p) for k, p in branches)
        self.norm_act = BNPReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        reduced = _shuffle_channels(self.reduce(x))  # (N, in, H, W) -> (N, out/2, H, W)
        out = torch.cat([self.block1(reduced), self.block2(reduced)], dim=1)  # (N, out, H, W)
        return self.norm_act(out + x if self.residual else out)


def load_authors_state_dict(model: SINet | Encoder, authors: Mapping[str, Tensor]) -> None:
    """Load weights saved by the authors' code, SINet.pth say, into a model of the same number of classes.

    Their n-th tensor is our n-th: only the names differ, and the shape of squeeze-and-excite, which they write
    with linear layers (out, in) and we with convolutions (out, in, 1, 1). UserError names the first misfit.
    """
    ours = model.state_dict()
    if len(authors) != len(ours):
        raise UserError(f"expected {len(ours)} tensors of the authors' SINet, found {len(authors)}")
    renamed = {}
    for (name, tensor), (their_name, their_tensor) in zip(ours.items(), authors.items(), strict=True):
        same_role = name.rpartition(".")[2] == their_name.rpartition(".")[2]  # weight, running_mean, ...
        is_linear = their_tensor.ndim == 2 and tensor.shape == (*their_tensor.shape, 1, 1)
        if not same_role or not (is_linear or their_tensor.shape == tensor.shape):
            raise UserError(
                f"expected {name} {tuple(tensor.shape)} of the authors' SINet, "
                f"found {their_name} {tuple(their_tensor.shape)}"
            )
        renamed[name] = their_tensor.reshape(tensor.shape)
    model.load_state_dict(renamed)


def _s2_modules(in_channels: int, channels: int, table: Table) -> nn.Sequential:
    widths = [in_channels] + [channels] * (len(table) - 1)
    return nn.Sequential(*(S2Module(width, channels, branches) for width, branches in zip(widths, table, strict=True)))


def _shuffle_channels(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, H, W): interleave the two groups' channels."""
    return x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS)


def _check_sides(images: Tensor) -> None:
    height, width = images.shape[-2:]
    if height % SIDE_MULTIPLE_PX or width % SIDE_MULTIPLE_PX:
        raise ValueError(
            f"expected an input whose height and width are multiples of {SIDE_MULTIPLE_PX}, "
            f"found {height}x{width} (H x W); resize or pad it"
        )
