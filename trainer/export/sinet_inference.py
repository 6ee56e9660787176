"""SINet for inference: the same function, with fewer operations.

Operations that training keeps apart are merged, in float64. Every batch norm is folded into the convolution before it,
also through bilinear up-sampling, whose weights sum to 1; that of a residual sum into the branches and, as a positive
scale, which PReLU passes, into the module before. The channel shuffle becomes an order of the weights after it. The
decoder computes only the difference of the two logits; the scale of its norm is passed on to the last convolution.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from trainer.export.folding import affine, folded, like, scaled_prelu
from trainer.models.padding import pad_to_multiple
from trainer.models.sinet import (
    SIDE_MULTIPLE_PX,
    BNPReLU,
    DownSampling,
    InformationBlocking,
    ReverseBlocking,
    S2Block,
    S2Module,
    SINet,
)
from trainer.models.upsample import BilinearUpsample

LARGEST_SCALE = 100.0  # beyond it, and below its inverse, a scale isn't passed on: float32 has 7 digits


class InferenceSINet(nn.Module):
    """(N, 3, H, W) -> (N, 1, H, W), the person's logit minus the background's, of a SINet of two classes."""

    def __init__(self, network: SINet) -> None:
        super().__init__()
        encoder = network.encoder
        self.stem = nn.Sequential(folded(encoder.stem[0], encoder.stem[1]), encoder.stem[2])
        self.downsample4 = _downsampling(encoder.downsample4)
        self.modules4 = _modules(encoder.modules4)
        self.merge4 = _merge(encoder.merge4)
        self.downsample8 = _downsampling(encoder.downsample8)
        self.modules8 = _modules(encoder.modules8)
        self.merge8 = _merge(encoder.merge8)
        self.upsample = BilinearUpsample(network.upsample.factor)
        self.gate = network.gate
        self.skip4 = nn.Sequential(folded(network.skip4[0], network.skip4[1]), network.skip4[2])
        scale, shift = affine(network.norm2)
        passes = bool((scale.abs() > 1 / LARGEST_SCALE).all())  # to the last convolution
        self.skip_scale = None if passes else nn.Buffer(scale.float().view(1, -1, 1, 1))
        self.classifier, self.logits = _coarse(network, None if passes else scale, shift / scale if passes else shift)
        self.last = _last(network.classifier, scale if passes else torch.ones_like(scale))

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        merged8, skip = self.features(images)
        coarse = self.upsample(self.classifier(merged8))  # (N, 2 or 4, H/4, W/4)
        high = self.skip4(skip)  # (N, 2, H/4, W/4)
        if self.skip_scale is not None:
            high = high * self.skip_scale
        refined = high * self._gate(self.logits(coarse)) + coarse[:, :2]
        logit = self.last(self.upsample(self.upsample(refined))).sum(dim=1, keepdim=True)
        return logit[..., :height, :width]

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) -> the deepest features (N, 144, H/8, W/8) and the skip (N, 48, H/4, W/4), of padded images."""
        reduced4 = self.downsample4(self.stem(pad_to_multiple(images, SIDE_MULTIPLE_PX)))  # (N, 16, H/4, W/4)
        skip = self.modules4(reduced4)  # (N, 48, H/4, W/4)
        reduced8 = self.downsample8(self.merge4(torch.cat([reduced4, skip], dim=1)))  # (N, 48, H/8, W/8)
        return self.merge8(torch.cat([reduced8, self.modules8(reduced8)], dim=1)), skip

    def _gate(self, logits: Tensor) -> Tensor:
        """The larger softmax of two classes is the sigmoid of their logits' distance: for that, their difference."""
        if isinstance(self.gate, InformationBlocking):
            return torch.sigmoid(-logits.abs())
        if isinstance(self.gate, ReverseBlocking):
            return torch.sigmoid(logits.abs())
        gate: Tensor = self.gate(logits)
        return gate


class InferenceModule(nn.Module):
    """(N, in, H, W) -> (N, out, H, W): an S2 module without norms and shuffle.

    Its input is the replaced module's times `input_scale` (in,), its output likewise.
    """

    def __init__(self, module: S2Module, input_scale: Tensor, output_scale: Tensor) -> None:
        super().__init__()
        reduce = module.reduce
        half, groups = reduce.out_channels, reduce.groups
        per_group = (1 / input_scale).view(groups, -1).repeat_interleave(half // groups, dim=0)
        self.reduce = like(reduce, reduce.weight.double() * per_group[..., None, None], None)
        scale, shift = affine(module.norm_act[0])
        scale, shift = scale * output_scale, shift * output_scale
        order = torch.arange(half).view(groups, -1).t().flatten().argsort()  # undoes the shuffle
        self.block1 = _block(module.block1, order, scale[:half], shift[:half])
        self.block2 = _block(module.block2, order, scale[half:], shift[half:])
        self.act = scaled_prelu(module.norm_act[1])
        self.residual = module.residual
        needs_scale = self.residual and not torch.allclose(scale, input_scale, rtol=1e-12, atol=0)
        self.skip_scale = nn.Buffer((scale / input_scale).float().view(1, -1, 1, 1)) if needs_scale else None

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        out = torch.cat([self.block1(reduced), self.block2(reduced)], dim=1)
        if self.residual:
            out = out + (x if self.skip_scale is None else x * self.skip_scale)
        return self.act(out)


def _modules(modules: Iterable[nn.Module]) -> nn.Sequential:
    """Each module's output has the scale that the next one's residual sum needs."""
    rewritten: list[InferenceModule] = []
    scale: Tensor | None = None
    for module in reversed(list(modules)):
        assert isinstance(module, S2Module)
        output_scale = torch.ones_like(affine(module.norm_act[0])[0]) if scale is None else scale
        scale = _residual_scale(module, output_scale)
        rewritten.insert(0, InferenceModule(module, scale, output_scale))
    return nn.Sequential(*rewritten)


def _residual_scale(module: S2Module, output_scale: Tensor) -> Tensor:
    """(in,): the input's factor in its residual sum, 1 where PReLU can't pass it."""
    if not module.residual:
        return torch.ones(module.reduce.in_channels, dtype=torch.float64)
    scale = affine(module.norm_act[0])[0] * output_scale
    passes = (scale > 1 / LARGEST_SCALE) & (scale < LARGEST_SCALE)
    return torch.where(passes, scale, 1.0)


def _block(block: nn.Module, order: Tensor, scale: Tensor, shift: Tensor) -> nn.Sequential:
    """The block on unshuffled channels, its output times `scale` plus `shift`."""
    assert isinstance(block, S2Block)
    pool, depthwise, norm, act, pointwise, upsample, last_norm = block
    spatial = folded(depthwise, norm)
    assert spatial.bias is not None
    spatial = like(spatial, spatial.weight[order], spatial.bias[order])
    mixed = folded(pointwise, last_norm)
    assert mixed.bias is not None
    mixed = like(
        mixed, scale[:, None, None, None] * mixed.weight.double()[:, order], scale * mixed.bias.double() + shift
    )
    return nn.Sequential(pool, spatial, scaled_prelu(act, order), mixed, upsample)


def _downsampling(module: DownSampling) -> nn.Sequential:
    depthwise, squeeze_excite, pointwise, norm, act = module
    return nn.Sequential(depthwise, squeeze_excite, folded(pointwise, norm), act)


def _merge(merge: BNPReLU) -> nn.Sequential:
    """A norm without a convolution before it becomes a depthwise 1x1 one."""
    norm, act = merge
    scale, shift = affine(norm)
    channels = len(scale)
    pattern = nn.Conv2d(channels, channels, 1, groups=channels)
    return nn.Sequential(like(pattern, scale.view(-1, 1, 1, 1), shift), act)


def _last(classifier: nn.Conv2d, scale: Tensor) -> nn.Conv2d:
    """(N, 2, H, W) -> (N, 2, H, W): of the maps divided by `scale` (2,), the sum is the difference of the logits.

    At full size most runtimes are slow at convolutions of one output channel, and fast at depthwise ones.
    """
    weight = classifier.weight.double() * scale.view(1, -1, 1, 1)
    pattern = nn.Conv2d(2, 2, 3, padding=1, groups=2)
    return like(pattern, (weight[1:] - weight[:1]).transpose(0, 1), None)


def _coarse(network: SINet, scale: Tensor | None, shift: Tensor) -> tuple[nn.Conv2d, nn.Module]:
    """The classifier (N, 144, H, W) -> (N, 2 or 4, H, W), and what its up-sampled output is to the gate.

    Channels 0 and 1 are the normalised logits times `scale` plus `shift`. With a scale, 2 and 3 are the logits;
    without one, channels 0 and 1 are but for a constant. A gate of their distance gets their difference (N, 1, H, W).
    """
    own_scale, own_shift = affine(network.norm4)
    weight = own_scale[:, None] * network.encoder.classifier.weight.double().flatten(1)  # (2, 144)
    if scale is None:
        classifier = like(network.encoder.classifier, weight[..., None, None], own_shift + shift)
        select, constant = torch.eye(2, dtype=torch.float64), -shift
    else:
        weights, biases = torch.cat([scale[:, None] * weight, weight]), [scale * own_shift + shift, own_shift]
        classifier = like(network.encoder.classifier, weights[..., None, None], torch.cat(biases))
        select, constant = torch.eye(4, dtype=torch.float64)[2:], torch.zeros_like(shift)
    if isinstance(network.gate, InformationBlocking | ReverseBlocking):
        select, constant = select[1:] - select[:1], constant[1:] - constant[:1]
    pattern = nn.Conv2d(select.shape[1], len(select), 1)
    return classifier, like(pattern, select[..., None, None], constant)
