"""Compositing with backgrounds: people on other backgrounds, and backgrounds without people.

The first makes person and background independent; the second shows a network images without a person: fitted on
portraits alone, it finds one in every image.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from trainer.data.rank_slice import WHOLE, RankSlice


@dataclass(frozen=True, slots=True)
class Compositor:
    """Puts a share of `prob` of a batch's people on `backgrounds`, uint8 RGB (M, 3, S, S)."""

    backgrounds: Tensor
    prob: float

    def __call__(self, images: Tensor, labels: Tensor, generator: Generator, *, share: RankSlice = WHOLE) -> Tensor:
        """RGB uint8 (N, 3, S, S), person uint8 (N, S, S) -> composited images; the labels stay valid.

        They are the share's rows of a batch; random numbers are drawn for the whole batch.
        """
        n = len(images) * share.count
        chosen = (torch.rand(n, generator=generator) < self.prob)[share.rows(n)].nonzero()[:, 0]
        indices = torch.randint(len(self.backgrounds), (n,), generator=generator)[share.rows(n)]
        mirrored = (torch.rand(n, generator=generator) < 0.5)[share.rows(n)]
        changed = images.clone()
        for i in chosen.tolist():
            background = self.backgrounds[indices[i]].to(images.device)
            background = background.flip(-1) if mirrored[i] else background
            person_prob = labels[i].float() / 255  # (S, S)
            changed[i] = torch.lerp(background.float(), images[i].float(), person_prob).round().to(torch.uint8)
        return changed


@dataclass(frozen=True, slots=True)
class Negatives:
    """Replaces a share of `prob` of a batch by `backgrounds` without people, uint8 RGB (M, 3, S, S)."""

    backgrounds: Tensor
    prob: float

    def __call__(
        self, images: Tensor, labels: Tensor, generator: Generator, *, share: RankSlice = WHOLE
    ) -> tuple[Tensor, Tensor]:
        """RGB uint8 (N, 3, S, S), person uint8 (N, S, S) -> both, replaced; a share's rows, as in Compositor."""
        n = len(images) * share.count
        chosen = (torch.rand(n, generator=generator) < self.prob)[share.rows(n)].to(images.device)
        indices = torch.randint(len(self.backgrounds), (n,), generator=generator)[share.rows(n)]
        backgrounds = self.backgrounds[indices].to(images.device)
        return torch.where(chosen[:, None, None, None], backgrounds, images), labels * ~chosen[:, None, None]
