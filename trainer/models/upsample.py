"""Bilinear up-sampling of SINet, align_corners as in its authors' code."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW_CHANNELS = 8  # with fewer, plane by plane is faster than pixel by pixel


class BilinearUpsample(nn.Module):
    """(N, C, H, W) -> (N, C, H * factor, W * factor).

    In training it is two matrix products, rows and columns: their gradient is two matrix products again, where that
    of an interpolation scatters into memory. Otherwise it is the operation that every runtime has.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return F.interpolate(x, scale_factor=self.factor, mode="bilinear", align_corners=True)
        n, channels, height, width = x.shape
        rows = interpolation_matrix(height, height * self.factor, like=x)
        columns = interpolation_matrix(width, width * self.factor, like=x)
        if channels < FEW_CHANNELS:
            return rows @ x.contiguous() @ columns.t()
        pixels = x.permute(0, 2, 3, 1)  # (N, H, W, C), which is how channels_last lies in memory
        tall = (rows @ pixels.reshape(n, height, width * channels)).view(n, -1, width, channels)
        return (columns @ tall).permute(0, 3, 1, 2)


def conv_of_upsampled(x: Tensor, weight: Tensor, factor: int) -> Tensor:
    """(N, C, H, W), (K, C, 3, 3) -> (N, K, H * factor, W * factor): the map is up-sampled, padded and convolved.

    Rows and columns of up-sampling and convolution change places, so that one matrix product makes the large map only
    once: convolutions are slowest on few channels at full size.
    """
    _, channels, height, width = x.shape
    new_height, new_width = height * factor, width * factor
    above = interpolation_matrix(height, new_height, like=x)
    beside = interpolation_matrix(width, new_width, like=x)
    wide = x.contiguous() @ F.pad(beside, (0, 0, 1, 1)).t()  # (N, C, H, W' + 2)
    across = [  # what each tap adds, for every row of the kernel: (N, K, 3, H, W')
        weight[:, c, :, j, None, None] * wide[:, None, None, c, :, j : j + new_width]
        for c in range(channels)
        for j in range(3)
    ]
    rows = F.pad(above, (0, 0, 1, 1))
    stacked = torch.cat([rows[i : i + new_height] for i in range(3)], dim=1)  # (H', 3 H)
    return stacked @ sum(across[1:], across[0]).flatten(2, 3)  # (N, K, H', W')


def interpolation_matrix(size: int, new_size: int, *, like: Tensor) -> Tensor:
    """(new_size, size), the weights of linear interpolation with align_corners; type and device are those of `like`."""
    step = (size - 1) / max(new_size - 1, 1)
    positions = torch.arange(new_size, device=like.device, dtype=torch.float32) * step
    distances = positions[:, None] - torch.arange(size, device=like.device)
    return (1 - distances.abs()).clamp(min=0).to(like.dtype)
