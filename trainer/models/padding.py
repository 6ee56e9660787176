"""Padding of images for networks that halve their sides several times."""

from torch import Tensor, nn
from torch.nn import functional as F

SIDE_MULTIPLE_PX = 32


class PaddedNetwork(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H, W): `body` sees sides padded to multiples, its logits are cropped.

    `exports_free_sides` is False where a graph of `body` holds for one size only.
    """

    def __init__(
        self, body: nn.Module, *, side_multiple_px: int = SIDE_MULTIPLE_PX, exports_free_sides: bool = True
    ) -> None:
        super().__init__()
        self.body = body
        self.side_multiple_px = side_multiple_px
        self.exports_free_sides = exports_free_sides

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        logits: Tensor = self.body(pad_to_multiple(images, self.side_multiple_px))
        return logits[..., :height, :width]


def pad_to_multiple(images: Tensor, side_multiple_px: int) -> Tensor:
    """(N, C, H, W) -> (N, C, H', W'), multiples of `side_multiple_px`: the last row and column are repeated.

    The unpadded image's logits are the first H rows and W columns.
    """
    height, width = images.shape[-2:]
    below, right = -height % side_multiple_px, -width % side_multiple_px
    return F.pad(images, [0, right, 0, below], mode="replicate") if below or right else images
