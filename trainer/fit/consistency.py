"""Consistency of a network over two views of an image: warped alike, one with other colours, blur and noise.

The consistency constraint loss of PortraitNet (Zhang et al. 2019), whose weight there is 2.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.fit.losses import person_logit


def both_views(plain: Tensor, changed: Tensor) -> Tensor:
    """Two (N, ...) -> (2 N, ...): plain and changed rows in turns, so that a part of a batch holds whole pairs."""
    return torch.stack([plain, changed], dim=1).flatten(0, 1)


def consistency(logits: Tensor) -> Tensor:
    """Logits (2 N, 2, H, W) or (2 N, H, W) of `both_views` -> scalar.

    The Kullback-Leibler divergence of the changed view's probabilities from the plain one's, the mean over the pixels.
    The plain view is the teacher and gets no gradient.
    """
    plain, changed = person_logit(logits[0::2]).detach(), person_logit(logits[1::2])
    person, background = plain.sigmoid(), (-plain).sigmoid()
    divergence = person * (F.logsigmoid(plain) - F.logsigmoid(changed))
    divergence = divergence + background * (F.logsigmoid(-plain) - F.logsigmoid(-changed))
    return divergence.mean()
