"""Convolutions and batch norms of a fitted network -> convolutions with biases, computed in float64."""

from torch import Tensor, nn

from trainer.models.surgery import is_plain_batch_norm


def affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Scale and shift (C,), float64, of a batch norm in evaluation."""
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale, norm.bias.double() - scale * norm.running_mean.double()


def folded(convolution: nn.Module, norm: nn.Module) -> nn.Conv2d:
    """The two as one convolution."""
    assert isinstance(convolution, nn.Conv2d)
    scale, shift = affine(norm)
    bias = 0 if convolution.bias is None else scale * convolution.bias.double()
    return like(convolution, scale[:, None, None, None] * convolution.weight.double(), shift + bias)


def like(convolution: nn.Module, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """A convolution of the same stride, padding, dilation and groups with other weights, (out, in / groups, k, k)."""
    assert isinstance(convolution, nn.Conv2d)
    out, per_group, *kernel = weight.shape
    (kernel_h, kernel_w), (stride_h, stride_w), padding = kernel, convolution.stride, convolution.padding
    dilation_h, dilation_w = convolution.dilation
    new = nn.Conv2d(
        per_group * convolution.groups,
        out,
        (kernel_h, kernel_w),
        (stride_h, stride_w),
        padding if isinstance(padding, str) else (padding[0], padding[1]),
        dilation=(dilation_h, dilation_w),
        groups=convolution.groups,
        bias=bias is not None,
    )
    new.weight = _constant(weight)
    new.bias = None if bias is None else _constant(bias)
    return new


def scaled_prelu(activation: nn.Module, order: Tensor | None = None) -> nn.PReLU:
    """The same activation with its channels in another order, one slope for each channel."""
    assert isinstance(activation, nn.PReLU)
    new = nn.PReLU(activation.num_parameters)
    new.weight = _constant(activation.weight if order is None else activation.weight[order])
    return new


def fold_batch_norms(network: nn.Module) -> None:
    """Fold every plain batch norm into the convolution before it in an nn.Sequential, in place."""
    for parent in network.modules():
        if not isinstance(parent, nn.Sequential):
            continue
        for i in range(len(parent) - 1):
            if isinstance(parent[i], nn.Conv2d) and is_plain_batch_norm(parent[i + 1]):
                parent[i], parent[i + 1] = folded(parent[i], parent[i + 1]), nn.Identity()


def freeze(network: nn.Module) -> nn.Module:
    """Set evaluation mode, without gradients."""
    return network.eval().requires_grad_(False)


def _constant(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().float().clone(), requires_grad=False)
