"""Batch norm over the rows of all processes, on CPUs as well as on GPUs; torch's SyncBatchNorm supports only GPUs."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

from manifests.errors import UserError
from trainer.models.surgery import batch_norm_like, is_plain_batch_norm, replace_modules


def synchronise_batch_norms(network: nn.Module) -> None:
    """Replace every BatchNorm2d by a SynchronisedBatchNorm2d: same names, same parameters, same buffers.

    UserError for a norm of another kind, which would see only its own process's rows.
    """
    replace_modules(network, _synchronised)


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """(N, C, H, W) -> (N, C, H, W); in training, mean and variance are those of the rows of all processes."""

    def forward(self, images: Tensor) -> Tensor:
        if not self.training:
            return super().forward(images)
        normalised, mean, var, count = _Normalise.apply(images, self.weight, self.bias, self.eps)
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * count / (count - 1), self.momentum)  # the unbiased one, as torch's
            self.num_batches_tracked += 1
        return normalised


class _Normalise(Function):
    """One exchange of (mean, variance, count) forwards, one of the two sums of batch norm's gradient backwards."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values = images.to(weight.dtype)  # fp32 under autocast too
        own_var, own_mean = torch.var_mean(values, dim=(0, 2, 3), correction=0)  # (C,) each
        own_count = own_mean.new_tensor([values.numel() / len(own_mean)])
        means, variances, counts = _gathered(torch.cat([own_mean, own_var, own_count])).tensor_split(
            [len(own_mean), 2 * len(own_mean)], dim=1
        )  # (W, C), (W, C), (W, 1)
        count = counts.sum()
        mean = (means * counts).sum(0) / count
        var = ((variances + (means - mean).square()) * counts).sum(0) / count
        inverse_std = (var + eps).rsqrt()
        ctx.save_for_backward(images, weight, mean, inverse_std, count)
        scale = weight * inverse_std
        normalised = torch.addcmul(_spread(bias - mean * scale), values, _spread(scale))
        ctx.mark_non_differentiable(mean, var, count)
        return normalised.to(images.dtype), mean, var, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_of_the_statistics: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        images, weight, mean, inverse_std, count = ctx.saved_tensors
        upper = gradient.to(weight.dtype)
        standardised = (images.to(weight.dtype) - _spread(mean)) * _spread(inverse_std)
        own_sums = torch.stack([upper.sum(dim=(0, 2, 3)), (upper * standardised).sum(dim=(0, 2, 3))])  # (2, C)
        sums = own_sums.clone()
        dist.all_reduce(sums)
        means = sums / count
        lower = (upper - _spread(means[0]) - standardised * _spread(means[1])) * _spread(weight * inverse_std)
        return lower.to(images.dtype), own_sums[1], own_sums[0], None  # the parameters' are averaged with all others


def _synchronised(module: nn.Module) -> nn.Module:
    if isinstance(module, nn.BatchNorm2d) and is_plain_batch_norm(module):
        return batch_norm_like(SynchronisedBatchNorm2d, module)
    if isinstance(module, _BatchNorm):
        raise UserError(
            f"expected norms of type BatchNorm2d, which several processes can share, found {module} in "
            "this network; train it with --devices 1"
        )
    return module


def _gathered(vector: Tensor) -> Tensor:
    """(L,) -> (W, L), one row of each process."""
    vectors = [torch.empty_like(vector) for _ in range(dist.get_world_size())]
    dist.all_gather(vectors, vector)
    return torch.stack(vectors)


def _spread(channels: Tensor) -> Tensor:
    """(C,) -> (1, C, 1, 1)"""
    return channels.view(1, -1, 1, 1)
