"""What backgrounds are good for: people put before other ones, and pictures of a background with nobody in it.

The first takes away what a background says about its person; the second teaches a network that there may be no
person at all: fitted on portraits alone, it finds one in every picture.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from trainer.data.rank_slice import WHOLE, RankSlice


@dataclass(frozen=True, slots=True)
class Compositor:
    """Puts a share of `prob` of a batch's people before `backgrounds`, uint8 RGB (M, 3, S, S)."""

    backgrounds: Tensor
    prob: float

    def __call__(self, images: Tensor, labels: Tensor, generator: Generator, *, share: RankSlice = WHOLE) -> Tensor:
        """RGB uint8 (N, 3, S, S), person uint8 (N, S, S) -> images of that kind; the labels hold for them too.

        They are the share's rows of a batch: numbers are drawn for all of it, and used for these.
        """
        n = len(images) * share.count
        chosen = (torch.rand(n, generator=generator) < self.prob)[share.rows(n)].nonzero()[:, 0]
        picked = torch.randint(len(self.backgrounds), (n,), generator=generator)[share.rows(n)]
        mirrored = (torch.rand(n, generator=generator) < 0.5)[share.rows(n)]
        changed = images.clone()
        for i in chosen.tolist():
            behind = self.backgrounds[picked[i]].to(images.device)
            behind = behind.flip(-1) if mirrored[i] else behind
            person_prob = labels[i].float() / 255  # (S, S)
            changed[i] = torch.lerp(behind.float(), images[i].float(), person_prob).round().to(torch.uint8)
        return changed


@dataclass(frozen=True, slots=True)
class Negatives:
    """Puts `backgrounds`, uint8 RGB (M, 3, S, S), with nobody in them in the place of a share of `prob` of a batch."""

    backgrounds: Tensor
    prob: float

    def __call__(
        self, images: Tensor, labels: Tensor, generator: Generator, *, share: RankSlice = WHOLE
    ) -> tuple[Tensor, Tensor]:
        """RGB uint8 (N, 3, S, S), person uint8 (N, S, S) -> both, of that kind; a share's rows, as in Compositor."""
        n = len(images) * share.count
        chosen = (torch.rand(n, generator=generator) < self.prob)[share.rows(n)].to(images.device)
        picked = torch.randint(len(self.backgrounds), (n,), generator=generator)[share.rows(n)]
        backgrounds = self.backgrounds[picked].to(images.device)
        return torch.where(chosen[:, None, None, None], backgrounds, images), labels * ~chosen[:, None, None]
