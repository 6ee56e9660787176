"""Padding of images for networks that halve their sides several times."""

from torch import Tensor
from torch.nn import functional as F


def pad_to_multiple(images: Tensor, side_multiple_px: int) -> Tensor:
    """(N, C, H, W) -> (N, C, H', W'), multiples of `side_multiple_px`: the last row and column are repeated.

    The unpadded image's logits are the first H rows and W columns.
    """
    height, width = images.shape[-2:]
    below, right = -height % side_multiple_px, -width % side_multiple_px
    return F.pad(images, [0, right, 0, below], mode="replicate") if below or right else images
