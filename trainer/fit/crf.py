"""A CRF's pairwise energy as a loss: pixels nearby and alike in colour should be of one class.

Tang et al. 2018, "On Regularized Losses for Weakly-supervised CNN Segmentation", ECCV: the quadratic relaxation of the
Potts energy, without inference. Pairs within a window only, with the kernel of Obukhov et al. 2019, "Gated CRF Loss",
arXiv 1906.04651.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.fit.losses import person_logit

SIDE_PX = 56  # 224 / 4: images and probabilities are averaged down to it
RADIUS_PX = 5  # of the window; this and the next two are those of Obukhov et al.
SIGMA_PX = 6.0
SIGMA_COLOUR = 0.1  # of colours in [0, 1]


def crf(logits: Tensor, colours: Tensor) -> Tensor:
    """(N, 2, H, W) or the difference (N, H, W), RGB (N, 3, H', W') in [0, 1] -> scalar in [0, 1].

    The probability that two pixels are of different classes, p (1 - q) + q (1 - p), averaged over an image's pairs by
    their weight exp(-d^2 / 2 SIGMA_PX^2 - |colour difference|^2 / 2 SIGMA_COLOUR^2); the mean over the images. Labels
    have no part in it.
    """
    height, width = (min(side, SIDE_PX) for side in logits.shape[-2:])
    prob = F.adaptive_avg_pool2d(person_logit(logits).sigmoid()[:, None], (height, width))
    with torch.no_grad():
        weights = pair_weights(F.adaptive_avg_pool2d(colours, (height, width)).to(prob.dtype))
    own, other = prob.flatten(2), _neighbours(prob)[:, 0]
    differ = own + other - 2 * own * other  # (N, pairs of a pixel, H * W)
    total = weights.sum(dim=(1, 2)).clamp(min=torch.finfo(prob.dtype).tiny)  # 0 where there is one pixel
    return ((weights * differ).sum(dim=(1, 2)) / total).mean()


def pair_weights(colours: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, K, H * W): of a pixel and each of the K = 60 before it in its window; 0 outside images."""
    difference = _neighbours(colours) - colours.flatten(2)[:, :, None]
    offsets = torch.arange(-RADIUS_PX, RADIUS_PX + 1, device=colours.device, dtype=colours.dtype).square()
    squared_px = (offsets[:, None] + offsets).flatten()[: difference.shape[2], None]
    exponent = squared_px / SIGMA_PX**2 + difference.square().sum(dim=1) / SIGMA_COLOUR**2
    return torch.exp(-exponent / 2) * _neighbours(torch.ones_like(colours[:1, :1]))[:, 0]


def _neighbours(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, K, H * W): the first half of each pixel's window, so that every pair comes once."""
    n, channels, height, width = x.shape
    rows, columns = RADIUS_PX + 1, 2 * RADIUS_PX + 1  # from the window's first row to the pixel's own
    windows = F.unfold(F.pad(x, (RADIUS_PX, RADIUS_PX, RADIUS_PX, 0)), (rows, columns))
    return windows.view(n, channels, rows * columns, height * width)[:, :, : -RADIUS_PX - 1]
