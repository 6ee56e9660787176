"""Losses: logits (N, 2, H, W) and labels int64 (N, H, W) in {0, 1} -> a scalar. Pure functions."""

import torch
import torch.nn.functional as F
from torch import Tensor

BOUNDARY_KERNEL_PX = 15  # SINet, section 3.3 and 4
BOUNDARY_WEIGHT = 0.5  # lambda; the paper gives none, this is the authors' code


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """(N, 2, H, W), (N, H, W) -> scalar, the mean over all pixels of the batch."""
    return F.cross_entropy(logits, labels)


def segmentation_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    boundary_weight: float = BOUNDARY_WEIGHT,
    kernel_px: int = BOUNDARY_KERNEL_PX,
) -> Tensor:
    """(N, 2, H, W), (N, H, W) -> scalar: cross-entropy, plus its mean in the boundary band times the weight.

    SINet, section 3.3. A batch without any boundary has no second term.
    """
    pixel_losses = F.cross_entropy(logits, labels, reduction="none")  # (N, H, W)
    band = boundary_band(labels, kernel_px)
    band_loss = (pixel_losses * band).sum() / band.sum().clamp(min=1)
    return pixel_losses.mean() + boundary_weight * band_loss


def boundary_band(labels: Tensor, kernel_px: int = BOUNDARY_KERNEL_PX) -> Tensor:
    """(N, H, W) in {0, 1} -> bool (N, H, W): dilation minus erosion with a square of `kernel_px`, an odd number.

    That is: the pixels whose window holds both classes. What lies outside the image is neither.
    """
    if kernel_px % 2 == 0:
        raise ValueError(f"expected an odd kernel, found {kernel_px} px")
    person = labels.float()
    inside = _window_sum(person, kernel_px)
    return (inside > 0) & (inside < _window_sum(torch.ones_like(person[:1]), kernel_px))


def _window_sum(x: Tensor, kernel_px: int) -> Tensor:
    """(N, H, W) -> (N, H, W): the sum over a square window, outside the image 0; rows first, then columns."""
    margin = kernel_px // 2
    rows = F.avg_pool2d(x, (1, kernel_px), stride=1, padding=(0, margin), divisor_override=1)
    return F.avg_pool2d(rows, (kernel_px, 1), stride=1, padding=(margin, 0), divisor_override=1)
