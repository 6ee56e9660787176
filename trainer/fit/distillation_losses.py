"""Losses of a student against teachers: logits (N, 2, H, W) and probabilities (N, H, W) -> a scalar. Pure functions.

As in losses.py the difference of the two logits may replace them: (N, H, W), person minus background. `temperature`
divides the logits of both sides; a loss is multiplied by its square, which keeps the size of the gradient (Hinton et
al. 2015, section 2).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from trainer.fit.losses import EVEN, Weights, cross_entropy, person_logit

PROB_MARGIN = 1e-4  # probabilities of 0 and 1 have no finite logit
_OUTSIDE = -1e4  # a logit whose softmax is 0 in float32

DistillLoss = Callable[..., Tensor]


def soft_cross_entropy(
    logits: Tensor, taught: Tensor, *, temperature: float = 1.0, weights: Weights = EVEN, within: Tensor | None = None
) -> Tensor:
    """(N, 2, H, W), (N, H, W) -> scalar: the mean cross-entropy with the teachers' probabilities (Hinton et al. 2015).

    `within`, bool (N, H, W), leaves out the pixels where it is false.
    """
    target = softened(taught, temperature).to(logits.dtype)
    return temperature**2 * cross_entropy(logits / temperature, target, weights=weights, within=within)


def channel_wise(logits: Tensor, taught: Tensor, *, temperature: float = 1.0, within: Tensor | None = None) -> Tensor:
    """(N, 2, H, W), (N, H, W) -> scalar: Kullback-Leibler divergence of the teachers' logit maps from the student's.

    Each channel's logits become a distribution over the image's pixels, or over those `within`, bool (N, H, W); the
    mean is over channels and images (Shu et al. 2021, "Channel-wise Knowledge Distillation for Dense Prediction",
    ICCV). The two channels are the difference of the logits and its negative, since a probability fixes no more.
    The loss leaves a constant on all logits open.
    """
    prob = taught.to(logits.dtype).clamp(PROB_MARGIN, 1 - PROB_MARGIN)
    student = _over_pixels(person_logit(logits) / temperature, within)
    teacher = _over_pixels(prob.logit() / temperature, within)
    divergence = (teacher.exp() * (teacher - student)).sum(dim=-1)  # (N, 2)
    return temperature**2 * divergence.mean()


def softened(prob: Tensor, temperature: float) -> Tensor:
    """Probabilities of any shape -> those of the logits divided by `temperature`; 0 and 1 stay."""
    if temperature == 1:
        return prob
    person, background = prob ** (1 / temperature), (1 - prob) ** (1 / temperature)
    return person / (person + background)


def distil_pixels(
    logits: Tensor, taught: Tensor, band: Tensor, *, temperature: float, boundary_weight: float, weights: Weights = EVEN
) -> Tensor:
    """`ce`: cross-entropy over all pixels, plus that within `band`, bool (N, H, W), times `boundary_weight`."""
    loss = soft_cross_entropy(logits, taught, temperature=temperature, weights=weights)
    if not boundary_weight:
        return loss
    in_band = soft_cross_entropy(logits, taught, temperature=temperature, weights=weights, within=band)
    return loss + boundary_weight * in_band


def distil_channels(
    logits: Tensor, taught: Tensor, band: Tensor, *, temperature: float, boundary_weight: float, weights: Weights = EVEN
) -> Tensor:
    """`cwd`: the channel-wise loss over all pixels; `band`, `boundary_weight` and `weights` are not used."""
    return channel_wise(logits, taught, temperature=temperature)


def distil_boundary_and_body(
    logits: Tensor, taught: Tensor, band: Tensor, *, temperature: float, boundary_weight: float, weights: Weights = EVEN
) -> Tensor:
    """`bpkd`: boundary and body apart (Liu et al. 2024, "BPKD: Boundary Privileged Knowledge Distillation For Semantic
    Segmentation", WACV).

    Pixels within `band`, bool (N, H, W), are compared one by one, by cross-entropy times `boundary_weight`; the rest
    is compared as a shape, by the channel-wise loss. The paper's edge region is a trimap of the true mask; ours is the
    band of the boundary term.
    """
    body = channel_wise(logits, taught, temperature=temperature, within=~band)
    edge = soft_cross_entropy(logits, taught, temperature=temperature, weights=weights, within=band)
    return body + boundary_weight * edge


DISTILL_LOSSES: dict[str, DistillLoss] = {
    "ce": distil_pixels,
    "cwd": distil_channels,
    "bpkd": distil_boundary_and_body,
}


def _over_pixels(logit: Tensor, within: Tensor | None) -> Tensor:
    """(N, H, W) -> (N, 2, H * W): the log of each channel's softmax over the pixels; uniform where none is within."""
    channels = torch.stack([-logit, logit], dim=1)
    if within is not None:
        channels = channels.masked_fill(~within[:, None], _OUTSIDE)
    return channels.flatten(2).log_softmax(dim=-1)
