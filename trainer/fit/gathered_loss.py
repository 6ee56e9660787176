"""The loss of the whole batch in each of several processes, which hold its rows in shares.

Losses are not means over rows: cross-entropy is weighted by the batch's pixels, the boundary term by
those in its band, Dice and Lovasz are one number for the batch. So the logits are gathered, and every process
computes the one loss.
"""

from typing import Any

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.autograd import Function

from trainer.fit.objective import Objective


class WholeBatch(nn.Module):
    """Images (N/W, 3, H, W), this process's rows -> logits (N, 2, H, W) of the rows of all W processes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return gather_rows(self.network(images))


def parallel(network: nn.Module, fabric: Fabric) -> nn.Module:
    """`network`, or in several processes its forward over the rows of all of them."""
    if fabric.world_size == 1:
        return network
    # Not fabric.setup_module: its wrapper adds its own autocast and requires fabric.backward.
    return WholeBatch(fabric.strategy.setup_module(network))


def of_whole_batch(loss_of: Objective) -> Objective:
    """`loss_of` a WholeBatch, which takes this process's rows of the labels and of the teachers' as well."""
    return lambda images, *targets: loss_of(images, *map(gather_rows, targets))


def gather_rows(rows: Tensor) -> Tensor:
    """(N/W, ...) -> (N, ...), in the order of the processes; all have the same number of rows."""
    gathered: Tensor = _GatherRows.apply(rows)
    return gathered


class _GatherRows(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        own = rows.contiguous()
        parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, own)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # All processes compute the same loss L of the same N rows, so `gradient` is dL/d(rows) in each of them, and
        # its own rows are what they would get from an exchange: the sum over W equal losses, W * dL/d(own rows).
        # From there backward brings W times the share of these rows in every parameter's gradient, and the mean
        # that DDP takes over the W processes is the sum of the shares: the gradient of L, whatever L is.
        count = dist.get_world_size()
        return gradient.chunk(count)[dist.get_rank()] * count
