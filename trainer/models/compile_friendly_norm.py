"""Batch norm and PReLU whose sums torch.compile turns into fast loops on CPUs.

A sum over images, rows and columns at once becomes one pass through memory for every eight channels, and none of those
fits a cache. Summed over each row first and then over the rows, every value is read once. The numbers are the same up
to rounding. Without a compiler torch's own kernels are faster and are called.
"""

import torch
from torch import Tensor, nn

from trainer.models.surgery import batch_norm_like, is_plain_batch_norm, replace_modules


def sum_by_rows(network: nn.Module) -> None:
    """Replace every BatchNorm2d and PReLU that the classes below can stand for: same parameters."""
    replace_modules(network, _by_rows)


class RowwiseBatchNorm2d(nn.BatchNorm2d):
    """(N, C, H, W) -> (N, C, H, W), as BatchNorm2d."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not torch.compiler.is_compiling():
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        count = x.numel() // x.shape[1]
        # Mean of squares minus square of the mean is exact where the mean is small: first subtract that of one row.
        values = x.to(self.weight.dtype)  # fp32 under autocast too
        offset = values[0, :, x.shape[2] // 2].mean(dim=1).detach()  # (C,)
        shifted = values - _of_each_row(offset, x)
        mean = _sum(shifted) / count
        var = (_sum(shifted.square()) / count - mean.square()).clamp(min=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean + offset, self.momentum)
            self.running_var.lerp_(var * (count / (count - 1)), self.momentum)  # the unbiased one, as torch's
            self.num_batches_tracked.add_(1)
        scale = self.weight * (var + self.eps).rsqrt()
        return (shifted * _of_each_row(scale, x) + _of_each_row(self.bias - mean * scale, x)).to(x.dtype)


class RowwisePReLU(nn.PReLU):
    """(N, C, H, W) -> (N, C, H, W), as PReLU."""

    def forward(self, x: Tensor) -> Tensor:
        if self.num_parameters == 1 or not torch.compiler.is_compiling():
            return super().forward(x)
        return torch.where(x > 0, x, x * _of_each_row(self.weight.to(x.dtype), x))


def _by_rows(module: nn.Module) -> nn.Module:
    if isinstance(module, nn.BatchNorm2d) and is_plain_batch_norm(module):
        return batch_norm_like(RowwiseBatchNorm2d, module)
    if type(module) is nn.PReLU:
        activation = RowwisePReLU(module.num_parameters)
        activation.weight = module.weight
        return activation.train(module.training)
    return module


def _sum(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (C,)"""
    return x.sum(dim=3).sum(dim=(0, 2))


def _of_each_row(channels: Tensor, x: Tensor) -> Tensor:
    """(C,) -> (N, C, H, 1): in two steps, so that the gradient is summed in two steps."""
    return channels.view(1, -1, 1, 1).expand(x.shape[0], -1, x.shape[2], 1)
