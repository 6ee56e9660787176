"""Replacement of a network's modules: same names, same parameters, same buffers."""

from collections.abc import Callable
from typing import TypeVar

from torch import nn

Norm = TypeVar("Norm", bound=nn.BatchNorm2d)


def replace_modules(network: nn.Module, replacement: Callable[[nn.Module], nn.Module]) -> None:
    """Replace every submodule by `replacement` of it, which may be itself."""
    for parent in network.modules():
        for name, child in parent.named_children():
            setattr(parent, name, replacement(child))


def is_plain_batch_norm(module: nn.Module) -> bool:
    """Whether `batch_norm_like` can take its place: a BatchNorm2d with parameters, statistics and momentum."""
    if type(module) is not nn.BatchNorm2d:
        return False
    return module.affine and module.track_running_stats and bool(module.momentum)


def batch_norm_like(kind: type[Norm], norm: nn.BatchNorm2d) -> Norm:
    """A norm of that kind, with the same tensors."""
    new = kind(norm.num_features, norm.eps, norm.momentum)
    new.weight, new.bias = norm.weight, norm.bias
    new.running_mean, new.running_var = norm.running_mean, norm.running_var
    new.num_batches_tracked = norm.num_batches_tracked
    return new.train(norm.training)
