"""Losses: logits (N, 2, H, W) and labels (N, H, W) -> a scalar. Pure functions.

Only the difference of the two logits counts, and it may replace them: (N, H, W), person minus background.

Labels are the person's share of each pixel, float in [0, 1], or int64 0 and 1; all but Lovasz take shares in
between. `within`, bool (N, H, W), leaves out the pixels where it is false. Each has a gradient everywhere but at
its minimum: none of them thresholds the prediction.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

BOUNDARY_KERNEL_PX = 15  # SINet, section 3.3 and 4
BOUNDARY_WEIGHT = 0.5  # lambda; the paper gives none, this is the authors' code
FOCAL_GAMMA = 2.0  # Lin et al. 2017

Weights = tuple[float, float]  # of background and person
Loss = Callable[..., Tensor]

EVEN: Weights = (1.0, 1.0)


def cross_entropy(logits: Tensor, labels: Tensor, *, weights: Weights = EVEN, within: Tensor | None = None) -> Tensor:
    """(N, 2, H, W), (N, H, W) -> scalar: the mean over the batch's pixels, weighted by their class."""
    target = labels.to(logits.dtype)
    return _mean(_pixel_cross_entropy(logits, target), _pixel_weights(target, weights, within))


def focal(
    logits: Tensor,
    labels: Tensor,
    *,
    weights: Weights = EVEN,
    within: Tensor | None = None,
    gamma: float = FOCAL_GAMMA,
) -> Tensor:
    """(N, 2, H, W), (N, H, W) -> scalar: cross-entropy times |label - prob| ** gamma (Lin et al. 2017)."""
    target = labels.to(logits.dtype)
    missed = (target - person_logit(logits).sigmoid()).abs()
    losses = missed**gamma * _pixel_cross_entropy(logits, target)
    return _mean(losses, _pixel_weights(target, weights, within))


def dice(logits: Tensor, labels: Tensor, *, weights: Weights = EVEN, within: Tensor | None = None) -> Tensor:
    """(N, 2, H, W), (N, H, W) -> scalar: 1 - the Dice coefficient of both classes over the batch, on probabilities."""
    target = labels.to(logits.dtype)
    inside = torch.ones_like(target) if within is None else within.to(target.dtype)
    prob = person_logit(logits).sigmoid()
    losses = []
    for class_prob, share in ((1 - prob, 1 - target), (prob, target)):
        overlap = (class_prob * share * inside).sum()
        total = ((class_prob + share) * inside).sum()
        losses.append(1 - (2 * overlap + 1) / (total + 1))  # + 1: an absent class costs almost nothing
    return _weighted_mean(losses, weights)


def lovasz(logits: Tensor, labels: Tensor, *, weights: Weights = EVEN, within: Tensor | None = None) -> Tensor:
    """(N, 2, H, W), (N, H, W) -> scalar: Lovasz-softmax of both classes over the batch (Berman et al. 2018).

    The authors' code uses the hinge of one class; with one class SINet's gate is shut, so here it is the
    two-class form.
    """
    prob = person_logit(logits).sigmoid()
    person = labels >= 0.5
    if within is not None:
        prob, person = prob[within], person[within]
    classes = ((1 - prob, ~person), (prob, person))
    return _weighted_mean([_lovasz_of_class(p.flatten(), is_class.flatten()) for p, is_class in classes], weights)


LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy, "lovasz": lovasz, "dice": dice, "focal": focal}


def segmentation_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    criterion: Loss = cross_entropy,
    weights: Weights = EVEN,
    boundary_weight: float = BOUNDARY_WEIGHT,
    kernel_px: int = BOUNDARY_KERNEL_PX,
    band: Tensor | None = None,
) -> Tensor:
    """(N, 2, H, W), (N, H, W) -> scalar: `criterion`, plus itself within the boundary band times the weight.

    SINet, section 3.3. A batch without any boundary has no second term. `band`, bool (N, H, W), replaces the band of
    `kernel_px` around the labels' boundary.
    """
    loss = criterion(logits, labels, weights=weights)
    if not boundary_weight:
        return loss
    band = boundary_band(labels, kernel_px) if band is None else band
    return loss + boundary_weight * criterion(logits, labels, weights=weights, within=band)


@torch.library.custom_op("maskfoundry::boundary_band", mutates_args=())  # torch.compile would spoil the doubling
def boundary_band(labels: Tensor, kernel_px: int = BOUNDARY_KERNEL_PX) -> Tensor:
    """(N, H, W) in [0, 1] -> bool (N, H, W): dilation minus erosion with a square of `kernel_px`, an odd number.

    That is: the pixels whose window holds both classes. Pixels outside the image are of neither.
    """
    if kernel_px % 2 == 0:
        raise ValueError(f"expected an odd kernel, found {kernel_px} px")
    person = labels >= 0.5
    return _dilate(person, kernel_px) & _dilate(~person, kernel_px)


@boundary_band.register_fake
def _band_like(labels: Tensor, kernel_px: int = BOUNDARY_KERNEL_PX) -> Tensor:
    return torch.empty_like(labels, dtype=torch.bool)


def person_logit(logits: Tensor) -> Tensor:
    """(N, 2, H, W) -> (N, H, W): the difference, whose sigmoid is the softmax; unchanged if it is that already."""
    return logits if logits.ndim == 3 else logits[:, 1] - logits[:, 0]


def frequency_weights(person_fraction: float) -> Weights:
    """1 / ln(1.10 + share) of each class: ENet's weights, in the SINet authors' code."""
    background, person = torch.tensor([1.10 + 1 - person_fraction, 1.10 + person_fraction]).log().reciprocal().tolist()
    return background, person


def _pixel_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(person_logit(logits), target, reduction="none")


def _pixel_weights(target: Tensor, weights: Weights, within: Tensor | None) -> Tensor | None:
    """The weight of each pixel; None when all are alike."""
    pixel_weights = None if weights == EVEN else weights[0] + (weights[1] - weights[0]) * target
    if within is None:
        return pixel_weights
    return within.to(target.dtype) * (1 if pixel_weights is None else pixel_weights)


def _mean(losses: Tensor, pixel_weights: Tensor | None) -> Tensor:
    """Weighted mean; 0, not NaN, when there is nothing to average."""
    if pixel_weights is None:
        return losses.mean()
    total = pixel_weights.sum()
    return (losses * pixel_weights).sum() / torch.where(total > 0, total, 1)


def _lovasz_of_class(prob: Tensor, is_class: Tensor) -> Tensor:
    """(P,), (P,) -> scalar: the Lovasz extension of the Jaccard loss at the sorted errors."""
    errors = (is_class.to(prob.dtype) - prob).abs()
    errors, order = errors.sort(descending=True)
    sorted_class = is_class[order].to(prob.dtype)
    class_px = sorted_class.sum()
    jaccard = 1 - (class_px - sorted_class.cumsum(0)) / (class_px + (1 - sorted_class).cumsum(0)).clamp(min=1)
    steps = torch.cat([jaccard[:1], jaccard.diff()])
    return (errors * steps).sum() * (class_px > 0)  # an absent class counts nothing


def _weighted_mean(losses: list[Tensor], weights: Weights) -> Tensor:
    return (losses[0] * weights[0] + losses[1] * weights[1]) / sum(weights)


def _dilate(x: Tensor, kernel_px: int) -> Tensor:
    """Bool (N, H, W) -> (N, H, W): true where the window holds a true pixel. It doubles its width step by step."""
    margin = kernel_px // 2
    for axis, margins in ((-1, (margin, margin)), (-2, (0, 0, margin, margin))):
        x, width = F.pad(x, margins), 1
        while width < kernel_px:
            step = min(width, kernel_px - width)
            kept = x.shape[axis] - step
            x, width = x.narrow(axis, 0, kept) | x.narrow(axis, step, kept), width + step
    return x
