"""Mixtures of two images of a batch and of their labels: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019).

`mixup` and `cutmix` are pure functions of numbers that `Mixer` draws.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Generator, Tensor

Mixing = Literal["mixup", "cutmix"]


@dataclass(frozen=True, slots=True)
class Mixer:
    """Mixes every image of a batch with another one; an image keeps a share that is drawn from Beta(alpha, alpha)."""

    kind: Mixing
    alpha: float

    def __call__(self, images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """RGB float (N, 3, S, S), person float (N, S, S) -> both, mixed. Random numbers are drawn on the CPU."""
        n, side_px = len(images), images.shape[-1]
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))  # torch draws no beta
        partners = torch.from_numpy(rng.permutation(n)).to(images.device)
        kept = torch.from_numpy(rng.beta(self.alpha, self.alpha, n).astype(np.float32))
        centres = torch.from_numpy(rng.random((n, 2), np.float32) * side_px)
        if self.kind == "mixup":
            return mixup(images, labels, partners, kept.to(images.device))
        return cutmix(images, labels, partners, cut_boxes(kept, centres, side_px).to(images.device))


def mixup(images: Tensor, labels: Tensor, partners: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 3, S, S), (N, S, S), int64 (N,), (N,) -> both: `kept` of each, the rest of its partner."""
    return (
        torch.lerp(images[partners], images, kept[:, None, None, None]),
        torch.lerp(labels[partners], labels, kept[:, None, None]),
    )


def cutmix(images: Tensor, labels: Tensor, partners: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 3, S, S), (N, S, S), int64 (N,), int64 (N, 4) -> both, with the partner's pixels in each box.

    Boxes are left, top, right, bottom in pixels, half-open.
    """
    along = torch.arange(images.shape[-1], device=images.device)
    left, top, right, bottom = boxes.T[:, :, None]  # each (N, 1)
    columns, rows = (along >= left) & (along < right), (along >= top) & (along < bottom)  # (N, S)
    pasted = rows[:, :, None] & columns[:, None, :]  # (N, S, S)
    return torch.where(pasted[:, None], images[partners], images), torch.where(pasted, labels[partners], labels)


def cut_boxes(kept: Tensor, centres: Tensor, side_px: int) -> Tensor:
    """Shares (N,) and centres (N, 2) as x, y in pixels -> int64 (N, 4): squares of 1 - kept of the image's area.

    They are cut off at the image's border.
    """
    half_px = (1 - kept).clamp(min=0).sqrt()[:, None] * (side_px / 2)
    return torch.cat([centres - half_px, centres + half_px], dim=1).round().long().clamp(0, side_px)
