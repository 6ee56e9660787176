"""Random changes of a training batch, on the batch as tensors, so they run where the network runs.

The order is PortraitNet's, which SINet adopted: warp, flip, colour, blur, noise. Linear changes are merged: rotation,
scale and flip are one affine grid, colour, brightness and contrast one matrix. All random numbers come from the
generator that is passed in; they are drawn on the CPU, so that a seed means the same on every device, and for the whole
batch, so that several processes change their shares of it alike.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from trainer.data.augmentation_presets import Augmentation, Range
from trainer.data.rank_slice import WHOLE, RankSlice

BORDER_GREY = 128.0  # the authors' colour of uncovered pixels, whose label is background
_LUMA = 0.299, 0.587, 0.114  # of RGB, ITU-R 601, as Pillow's grey
_PILLOW_SMOOTH = ((1, 1, 1), (1, 5, 1), (1, 1, 1))  # over 13: what Pillow's Sharpness blends with
GAUSSIAN_SHARE, MEDIAN_SHARE = 0.3, 0.3  # of the blurred images; the rest get a box
_GAUSSIAN_3 = 0.0, 1 / 4, 1 / 2, 1 / 4, 0.0  # OpenCV's, for a sigma of 0
_GAUSSIAN_5 = 1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16
_NOISE_BANK = 2**21  # normal numbers an epoch draws its noise from, at random offsets


@dataclass(frozen=True, slots=True)
class AugmentationParameters:
    """Random changes of n images, drawn before any pixel is read; every tensor has n rows."""

    affine: Tensor  # (n, 2, 3), from output to input coordinates in [-1, 1]
    coloured: Tensor  # bool: gets the four changes of colour
    colour: Tensor
    brightness: Tensor
    contrast: Tensor
    sharpness: Tensor
    blurred: Tensor  # bool
    blur_kind: Tensor  # in [0, 1): Gaussian, median or box
    blur_wide: Tensor  # bool: 5 px, not 3
    noisy: Tensor  # bool
    noise_sigma: Tensor
    noise_start: Tensor  # int64, in the bank

    def of(self, rows: slice) -> "AugmentationParameters":
        """Select rows."""
        return AugmentationParameters(*(getattr(self, entry.name)[rows] for entry in dataclasses.fields(self)))


class Augmenter:
    """Augments batches with the random numbers of `generator`."""

    def __init__(self, augmentation: Augmentation, generator: Generator, device: torch.device) -> None:
        self.augmentation = augmentation
        self._generator = generator
        self._noise = torch.randn(_NOISE_BANK, generator=generator).to(device)

    def __call__(
        self, images: Tensor, labels: Tensor, *, share: RankSlice = WHOLE, side_px: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """RGB uint8 (N, 3, S, S), person uint8 (N, S, S) -> both float, 0..255 and [0, 1], of `side_px` (default: S).

        They are the share's rows of a batch; random numbers are drawn for the whole batch.
        """
        _, changed, labels = self.views(images, labels, share=share, side_px=side_px)
        return changed, labels

    def views(
        self, images: Tensor, labels: Tensor, *, share: RankSlice = WHOLE, side_px: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the images after the warp alone, the images after all changes, and their common labels."""
        n = len(images) * share.count
        changes = self.draw(n, values_per_image=images[0].numel()).of(share.rows(n))
        plain, labels = _warp(images, labels, changes.affine, side_px or images.shape[-1])
        changed = _recolour(plain, changes)
        changed = _sharpen(changed, changes)
        changed = _blur(changed, changes)
        return plain, self._add_noise(changed, changes), labels

    def draw(self, n: int, *, values_per_image: int) -> AugmentationParameters:
        """Draw the numbers of one batch. Their order defines a seed's results."""
        settings = self.augmentation
        affine = self._affine(n)
        coloured = self._chosen(n, settings.colour_prob)
        colour, brightness, contrast = (
            torch.where(coloured, self._tenths(n, limits), 1.0)
            for limits in (settings.colour, settings.brightness, settings.contrast)
        )
        if settings.grey_prob:
            colour = torch.where(self._chosen(n, settings.grey_prob), 0.0, colour)
        return AugmentationParameters(
            affine=affine,
            coloured=coloured,
            colour=colour,
            brightness=brightness,
            contrast=contrast,
            sharpness=self._tenths(n, settings.sharpness),
            blurred=self._chosen(n, settings.blur_prob),
            blur_kind=torch.rand(n, generator=self._generator),
            blur_wide=self._chosen(n, 0.5),
            noisy=self._chosen(n, settings.noise_prob),
            noise_sigma=self._uniform(n, (0.0, settings.noise_sigma)),
            noise_start=torch.randint(0, max(1, len(self._noise) - values_per_image), (n,), generator=self._generator),
        )

    def _affine(self, n: int) -> Tensor:
        """(n, 2, 3)"""
        settings = self.augmentation
        angle = self._uniform(n, (-settings.rotation_degrees, settings.rotation_degrees)) * math.pi / 180
        scale = self._uniform(n, settings.scale)
        jitter = 2 * settings.pivot_fraction  # the side is 2 long
        pivot = torch.stack([self._uniform(n, (-jitter, jitter)) for _ in "xy"], dim=1)[..., None]  # (n, 2, 1)
        mirror = 1 - 2 * self._chosen(n, settings.flip_prob).float()
        cos, sin = angle.cos() / scale, angle.sin() / scale
        linear = torch.stack([cos, sin, -sin, cos], dim=1).view(n, 2, 2)
        shift = pivot - linear @ pivot  # the pivot stays where it is
        flipped = linear * torch.stack([mirror, torch.ones(n)], dim=1)[:, None]
        return torch.cat([flipped, shift], dim=2)

    def _add_noise(self, images: Tensor, changes: AugmentationParameters) -> Tensor:
        """Add white noise from the bank, at each image's own offset and strength."""
        length = images[0].numel()
        for i in changes.noisy.nonzero()[:, 0].tolist():
            noise = self._noise[changes.noise_start[i] :][:length]
            images[i].view(-1)[: len(noise)].add_(noise, alpha=changes.noise_sigma[i].item()).clamp_(0, 255)
        return images

    def _uniform(self, n: int, limits: Range) -> Tensor:
        low, high = limits
        return low + (high - low) * torch.rand(n, generator=self._generator)

    def _tenths(self, n: int, limits: Range) -> Tensor:
        """n numbers in `limits`, both included, in steps of 0.1."""
        low, high = (round(10 * limit) for limit in limits)
        return torch.randint(low, high + 1, (n,), generator=self._generator) / 10

    def _chosen(self, n: int, prob: float) -> Tensor:
        """bool (n,)"""
        return torch.rand(n, generator=self._generator) < prob


def _warp(images: Tensor, labels: Tensor, affine: Tensor, side_px: int) -> tuple[Tensor, Tensor]:
    """Image and label together: uint8 (N, 3, S, S) and (N, S, S) -> float of `side_px` in 0..255 and in [0, 1]."""
    stacked = torch.cat([images, labels[:, None]], dim=1).float()  # (N, 4, S, S)
    stacked[:, :3] -= BORDER_GREY
    grid = _affine_grid(affine.to(images.device), side_px)
    warped = F.grid_sample(stacked, grid, align_corners=False)  # outside is 0: border grey, background
    return warped[:, :3] + BORDER_GREY, (warped[:, 3] / 255).clamp(0, 1)


def _recolour(images: Tensor, changes: AugmentationParameters) -> Tensor:
    """Colour, brightness and contrast as Pillow defines them, in one matrix (n, 3, 3) and offset (n, 3, 1).

    Pillow clips after each of the three; here it is done once, at the end.
    """
    n, device = len(images), images.device
    colour, brightness, contrast = (
        numbers.view(n, 1, 1) for numbers in (changes.colour, changes.brightness, changes.contrast)
    )
    luma = torch.tensor(_LUMA)
    saturated = colour * torch.eye(3) + (1 - colour) * luma.expand(3, 3)  # (n, 3, 3)
    matrix = (brightness * contrast * saturated).to(device)
    level = images.mean(dim=(2, 3)) @ luma.to(device)  # (n,); the colour step leaves the grey as it is
    offset = (brightness * (1 - contrast)).to(device) * level.view(n, 1, 1)
    changed = torch.baddbmm(offset.expand(n, 3, 1), matrix, images.flatten(2))
    return changed.clamp_(0, 255).view(images.shape)


def _sharpen(images: Tensor, changes: AugmentationParameters) -> Tensor:
    """Pillow's Sharpness: towards or away from a smoothed image."""
    chosen = (changes.coloured & (changes.sharpness != 1)).nonzero()[:, 0]
    smooth = torch.tensor(_PILLOW_SMOOTH) / 13
    middle = torch.zeros(3, 3)
    middle[1, 1] = 1
    factor = changes.sharpness[chosen].view(-1, 1, 1)
    return _replace(images, chosen, lambda some: _convolve(some, factor * middle + (1 - factor) * smooth))


def _blur(images: Tensor, changes: AugmentationParameters) -> Tensor:
    kind, wide = changes.blur_kind, changes.blur_wide
    median = changes.blurred & (kind >= GAUSSIAN_SHARE) & (kind < GAUSSIAN_SHARE + MEDIAN_SHARE)
    linear = (changes.blurred & ~median).nonzero()[:, 0]
    kernels = torch.stack([_blur_kernel(bool(kind[i] < GAUSSIAN_SHARE), bool(wide[i])) for i in range(len(images))])
    images = _replace(images, linear, lambda some: _convolve(some, kernels[linear]))
    images = _replace(images, (median & ~wide).nonzero()[:, 0], lambda some: _median(some, 3))
    return _replace(images, (median & wide).nonzero()[:, 0], lambda some: _median(some, 5))


def _affine_grid(affine: Tensor, side: int) -> Tensor:
    """(N, 2, 3) -> (N, S, S, 2): F.affine_grid of align_corners=False, three times as fast."""
    centres = (torch.arange(side, device=affine.device) + 0.5) * (2 / side) - 1
    along_x = affine[:, :, 0, None] * centres  # (N, 2, S)
    along_y = affine[:, :, 1, None] * centres + affine[:, :, 2, None]
    return (along_x.transpose(1, 2)[:, None] + along_y.transpose(1, 2)[:, :, None]).contiguous()


def _replace(images: Tensor, rows: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """`images` with `change` applied to some of its rows, in place."""
    if len(rows):
        rows = rows.to(images.device)
        images[rows] = change(images[rows]).clamp_(0, 255)
    return images


def _convolve(images: Tensor, kernels: Tensor) -> Tensor:
    """(N, C, S, S), one kernel per image (N, K, K) -> (N, C, S, S), the border repeated outwards."""
    n, channels, _, width = images.shape
    side_px = kernels.shape[-1]
    padded = F.pad(images, [side_px // 2] * 4, mode="replicate")
    weights = kernels.to(images).repeat_interleave(channels, dim=0)[:, None]  # (N * C, 1, K, K)
    flat = padded.reshape(1, n * channels, *padded.shape[-2:])
    return F.conv2d(flat, weights, groups=n * channels).view(n, channels, -1, width)


def _blur_kernel(gaussian: bool, wide: bool) -> Tensor:
    """5x5, the sum is 1; a kernel of 3 px has zeros around it."""
    if gaussian:
        profile = torch.tensor(_GAUSSIAN_5 if wide else _GAUSSIAN_3)
    else:
        profile = torch.ones(5) / 5 if wide else torch.tensor([0.0, 1.0, 1.0, 1.0, 0.0]) / 3
    return profile[:, None] * profile


def _median(images: Tensor, side_px: int) -> Tensor:
    """Float 0..255 (N, C, S, S) -> the same shape: the median of each window, to whole numbers."""
    margin, side = side_px // 2, images.shape[-1]
    padded = F.pad(images, [margin] * 4, mode="replicate").round().to(torch.uint8)
    offsets = [(y, x) for y in range(side_px) for x in range(side_px)]
    return _middle([padded[..., y : y + side, x : x + side].contiguous() for y, x in offsets]).float()


def _middle(values: list[Tensor]) -> Tensor:
    """The elementwise median of an odd number of tensors, by dropping the least and the greatest.

    Neither extreme of half of them plus two can be the median: both are dropped, and the next one comes in.
    """
    half = len(values) // 2 + 2
    kept, waiting = values[:half], values[half:]
    while len(kept) > 1:
        for i in range(len(kept) - 1):  # the greatest to the end
            kept[i], kept[i + 1] = torch.minimum(kept[i], kept[i + 1]), torch.maximum(kept[i], kept[i + 1])
        for i in range(len(kept) - 2, 0, -1):  # the least to the front
            kept[i - 1], kept[i] = torch.minimum(kept[i - 1], kept[i]), torch.maximum(kept[i - 1], kept[i])
        kept = kept[1:-1] + ([waiting.pop()] if waiting else [])
    return kept[0]
