"""A SINet's two branches in one piece, where neither pools: three operations fewer in each such module, equal numbers.

Accelerators pay for each operation, whatever its size. CPUs gain nothing: a copy of the reduced features replaces a
concatenation, and a 3x3 kernel beside a 5x5 one is padded to its size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.export.folding import freeze, like
from trainer.export.sinet_inference import InferenceModule, InferenceSINet


class MergedModule(nn.Module):
    """(N, in, H, W) -> (N, out, H, W): the function of an InferenceModule whose branches don't pool."""

    def __init__(self, module: InferenceModule) -> None:
        super().__init__()
        channels = 2 * module.reduce.out_channels
        depthwise, pointwise = _convolutions(module, 1), _convolutions(module, 3)
        kernel = max(convolution.weight.shape[-1] for convolution in depthwise)
        self.reduce = module.reduce
        self.spatial = _joined(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels),
            [_padded(convolution.weight, kernel) for convolution in depthwise],
            depthwise,
        )
        self.spatial_act = nn.PReLU(channels)
        activations = [branch[2] for branch in (module.block1, module.block2)]
        slopes = [activation.weight.data for activation in activations if isinstance(activation, nn.PReLU)]
        self.spatial_act.weight.data = torch.cat(slopes)
        self.mix = _joined(
            nn.Conv2d(channels, channels, 1, groups=2), [convolution.weight for convolution in pointwise], pointwise
        )
        self.act, self.residual, self.skip_scale = module.act, module.residual, module.skip_scale

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        out: Tensor = self.mix(self.spatial_act(self.spatial(torch.cat([reduced, reduced], dim=1))))
        if self.residual:
            out = out + (x if self.skip_scale is None else x * self.skip_scale)
        activated: Tensor = self.act(out)
        return activated


def merge_branches(network: InferenceSINet) -> None:
    """Merge the branches of every module without pooling, in place."""
    for modules in (network.modules4, network.modules8):
        for i, module in enumerate(modules):
            assert isinstance(module, InferenceModule)
            if not any(isinstance(part, nn.AvgPool2d) for part in module.modules()):
                modules[i] = freeze(MergedModule(module))


def _convolutions(module: InferenceModule, part: int) -> list[nn.Conv2d]:
    """Both branches' convolution in that place."""
    convolutions = [branch[part] for branch in (module.block1, module.block2)]
    return [convolution for convolution in convolutions if isinstance(convolution, nn.Conv2d)]


def _joined(pattern: nn.Conv2d, weights: list[Tensor], convolutions: list[nn.Conv2d]) -> nn.Conv2d:
    """The pattern with the weights one after the other, and the convolutions' biases."""
    biases = [convolution.bias for convolution in convolutions if convolution.bias is not None]
    return like(pattern, torch.cat(weights), torch.cat(biases))


def _padded(weight: Tensor, kernel: int) -> Tensor:
    """(C, 1, k, k) -> (C, 1, kernel, kernel), zeros around."""
    return F.pad(weight, [(kernel - weight.shape[-1]) // 2] * 4)
