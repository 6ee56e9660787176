"""The connectivity loss of PP-HumanSeg: how far the prediction's connected parts are the label's (islands, breaks).

Chu et al. 2022, "PP-HumanSeg: Connectivity-Aware Portrait Segmentation with a Large-Scale Teleconferencing Video
Dataset", WACV workshops.
"""

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainer.fit.losses import person_logit

MAX_PARTS = 10  # of an image; smaller ones count together as the last. PaddleSeg's limit


def connectivity(logits: Tensor, labels: Tensor) -> Tensor:
    """(N, 2, H, W) or the difference (N, H, W), labels (N, H, W) in [0, 1] -> scalar: 1 - connectivity, the mean.

    Parts are 8-connected pixels of at least one half. The connectivity of an image is the mean over the label's parts
    and the islands, the predicted parts that touch none of the label's: a part of the label has the mean IoU, on
    probabilities, with the predicted parts that touch it, an island has 0. An image without a part on either side costs
    nothing.

    Departures from the paper, which gives an island no gradient: here it counts with its mean probability, not with 1.
    Where nothing overlaps, the loss is the probability of person or label, averaged over the pixels, as in the paper.
    """
    prob, target = person_logit(logits).sigmoid(), labels.to(logits.dtype)
    weight, area_px = _sums_of_parts(prob, parts(prob.detach()), parts(target))
    overlap, touches = weight[:, 1:, 1:], area_px[:, 1:, 1:] > 0  # (N, predicted parts, true parts)
    predicted_px, true_px = area_px[:, 1:].sum(dim=2), area_px[:, :, 1:].sum(dim=1)
    predicted_weight = weight[:, 1:].sum(dim=2)
    union = predicted_weight[:, :, None] + true_px[:, None] - overlap
    ious = torch.where(touches, overlap / union.clamp(min=1e-6), 0)
    by_true_part = ious.sum(dim=1) / touches.sum(dim=1).clamp(min=1)
    is_island = (predicted_px > 0) & ~touches.any(dim=2)
    islands = torch.where(is_island, predicted_weight / predicted_px.clamp(min=1), 0).sum(dim=1)  # (N,)
    count = (true_px > 0).sum(dim=1) + islands
    losses = 1 - by_true_part.sum(dim=1) / count.clamp(min=1)
    apart = (1 - (1 - prob) * (1 - target)).mean(dim=(1, 2))
    losses = torch.where(touches.flatten(1).any(dim=1), losses, apart)
    return torch.where(area_px[:, 0, 0] < prob[0].numel(), losses, 0).mean()


def _sums_of_parts(prob: Tensor, predicted: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Each (N, H, W) -> probability and pixels, (N, parts, parts), by predicted and true part; 0 is no part."""
    count = MAX_PARTS + 1
    pairs = (predicted * count + true).flatten(1)  # (N, H * W)
    zeros = prob.new_zeros(len(prob), count * count)
    weight, area_px = (zeros.scatter_add(1, pairs, each.flatten(1)) for each in (prob, torch.ones_like(prob)))
    return weight.view(-1, count, count), area_px.view(-1, count, count)


@torch.library.custom_op("maskfoundry::parts", mutates_args=())  # OpenCV's, on the CPU
def parts(prob: Tensor) -> Tensor:
    """(N, H, W) in [0, 1] -> int64 (N, H, W): 0, or the number of the connected part, the largest first."""
    labelled = [_largest_first(mask) for mask in (prob >= 0.5).cpu().numpy().astype(np.uint8)]
    return torch.from_numpy(np.stack(labelled)).to(prob.device)


@parts.register_fake
def _parts_like(prob: Tensor) -> Tensor:
    return torch.empty_like(prob, dtype=torch.int64)


def _largest_first(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """0 and 1 (H, W) -> the numbers of its parts (H, W), by falling area."""
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    order = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")
    ranks = np.zeros(count, np.int64)
    ranks[1 + order] = np.minimum(np.arange(1, count), MAX_PARTS)
    return np.asarray(ranks[numbers])
