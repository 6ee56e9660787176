"""Random changes of a training batch, on the batch as tensors, so they cost the same on a GPU and a CPU.

All randomness comes from the generator that is passed in. The ranges are narrower than PortraitNet's, which
SINet took over for its 300 epochs.
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

MAX_ROTATION_DEGREES = 15.0
SCALE = 0.8, 1.25
MAX_SHIFT_FRACTION = 0.1  # of the side
BRIGHTNESS = 0.6, 1.4  # as PortraitNet, SINet
CONTRAST = 0.6, 1.4
SATURATION = 0.4, 1.6
BORDER_GREY = 128.0  # the authors' colour for what a warp uncovers; its label is background

Range = tuple[float, float]


def augment(images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """RGB uint8 (N, 3, S, S), labels uint8 (N, S, S) -> float (N, 3, S, S) in 0..255, int64 (N, S, S)."""
    warped_images, warped_labels = _warp(images, labels, generator)
    return _change_colours(warped_images, generator), warped_labels


def _warp(images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Flip, rotate, scale and shift image and label together."""
    stacked = torch.cat([images.float() - BORDER_GREY, labels[:, None].float()], dim=1)  # (N, 4, S, S)
    grid = F.affine_grid(_random_affine(stacked, generator), list(stacked.shape), align_corners=False)
    warped = F.grid_sample(stacked, grid, align_corners=False)  # outside is 0: border grey, background
    return warped[:, :3] + BORDER_GREY, (warped[:, 3] >= 0.5).long()


def _random_affine(batch: Tensor, generator: Generator) -> Tensor:
    """(N, C, S, S) -> (N, 2, 3), from output to input coordinates in [-1, 1]."""
    angle = _uniform(batch, (-MAX_ROTATION_DEGREES, MAX_ROTATION_DEGREES), generator) * math.pi / 180
    scale = _uniform(batch, SCALE, generator)
    shift_x = _uniform(batch, (-2 * MAX_SHIFT_FRACTION, 2 * MAX_SHIFT_FRACTION), generator)
    shift_y = _uniform(batch, (-2 * MAX_SHIFT_FRACTION, 2 * MAX_SHIFT_FRACTION), generator)
    mirror = _uniform(batch, (-1.0, 1.0), generator).sign()
    cos, sin = angle.cos() / scale, angle.sin() / scale
    return torch.stack(
        [torch.stack([cos * mirror, -sin, shift_x], dim=1), torch.stack([sin * mirror, cos, shift_y], dim=1)],
        dim=1,
    )


def _change_colours(images: Tensor, generator: Generator) -> Tensor:
    """Saturation, then brightness, then contrast, per image."""
    saturation, brightness, contrast = (
        _uniform(images, limits, generator).view(-1, 1, 1, 1) for limits in (SATURATION, BRIGHTNESS, CONTRAST)
    )
    grey = images.mean(dim=1, keepdim=True)  # (N, 1, S, S)
    images = (grey + (images - grey) * saturation) * brightness
    middle = images.mean(dim=(1, 2, 3), keepdim=True)  # (N, 1, 1, 1)
    return (middle + (images - middle) * contrast).clamp(0, 255)


def _uniform(batch: Tensor, limits: Range, generator: Generator) -> Tensor:
    """(N, ...) -> N numbers in `limits`, drawn on the CPU so that a seed means the same on every device."""
    low, high = limits
    return (low + (high - low) * torch.rand(len(batch), generator=generator)).to(batch.device)
