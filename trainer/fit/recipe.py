"""Recipes of fitting: every choice by name, and the presets as functions of named numbers.

`paper` follows SINet's text, `authors_code` its authors' program for the released SINet.pth, `default` is ours. Where
the paper is silent, `paper` follows the authors' program (reference: SINet, WACV 2020).
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # trainer.fit parses its options before it loads torch
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Recipe:
    """Choices of one run; MEANINGS explains each."""

    epochs: int
    encoder_epochs: int
    batch_size: int
    encoder_batch_size: int
    learning_rate: float
    schedule: str
    warmup_fraction: float
    loss: str
    soft_masks: bool
    class_weights: bool
    boundary_weight: float
    boundary_px: int
    encoder_boundary_px: int
    weight_decay: float
    decay_rule: str
    augmentation: str
    low_res_epochs: float
    low_res_scale: float
    composite_prob: float
    negatives: float
    mixup: float
    cutmix: float
    distill_share: float
    distill_loss: str
    temperature: float
    connectivity: float
    consistency: float
    crf: float
    edge_weight: float
    alpha_weight: float
    ema_decay: float
    clip_norm: float
    select_after: float


# What each choice means, with its unit: the help of trainer.fit, and the reference of the documentation.
MEANINGS = {
    "epochs": "epochs of the whole network",
    "encoder_epochs": "epochs of the encoder alone before that, on the 1/8-size label; 0 skips the stage",
    "batch_size": "images a step",
    "encoder_batch_size": "images a step of the encoder's stage",
    "learning_rate": "Adam's learning rate at its peak, in both stages",
    "schedule": "learning rate over a stage's steps",
    "warmup_fraction": "share of a stage's steps in which the learning rate rises",
    "loss": "loss of each pixel or region",
    "soft_masks": "the target is the mask's probability, not its side of one half",
    "class_weights": "weigh person and background by 1 / ln(1.10 + share of the pixels)",
    "boundary_weight": "lambda, weight of the loss in the boundary band",
    "boundary_px": "side of the square that makes the boundary band, px",
    "encoder_boundary_px": "the same for the encoder's stage, px of the 1/8-size label",
    "weight_decay": "Adam's weight decay",
    "decay_rule": "parameters that decay",
    "augmentation": "random changes of the training images",
    "low_res_epochs": "share of a stage's epochs, the first ones, with smaller images",
    "low_res_scale": "scale of the side in those, to the nearest multiple of 32 px",
    "composite_prob": "share of the images that get another background",
    "negatives": "share of the images replaced by a background without people",
    "mixup": "alpha of the Beta distribution that mixes two images; 0: off",
    "cutmix": "alpha of the Beta distribution of the area pasted from another image; 0: off",
    "distill_share": "share of the target that is the teachers', with --distill and --distill-live",
    "distill_loss": "loss between student and teachers, with --distill-live",
    "temperature": "temperature of the logits in that loss",
    "connectivity": "weight of the loss of islands and breaks; 0: off",
    "consistency": "weight of the loss between two views of an image; 0: off",
    "crf": "weight of the loss between pixels nearby and alike in colour; 0: off",
    "edge_weight": "weight of the edge head's loss, in networks that have one",
    "alpha_weight": "weight of the matting head's loss, in networks that have one",
    "ema_decay": "decay of the weights' moving average a step; 0: none",
    "clip_norm": "largest norm of the gradient; 0: no clipping",
    "select_after": "share of a stage's epochs before which none is taken as the best",
}


def paper() -> Recipe:
    """SINet, section 4."""
    return Recipe(
        epochs=300,
        encoder_epochs=300,
        batch_size=24,
        encoder_batch_size=36,
        learning_rate=7.5e-3,
        schedule="multistep",  # not in the paper
        warmup_fraction=0.0,
        loss="cross_entropy",
        soft_masks=False,
        class_weights=False,
        boundary_weight=0.5,  # not in the paper
        boundary_px=15,
        encoder_boundary_px=15,
        weight_decay=2e-4,
        decay_rule="all",
        augmentation="portraitnet",
        low_res_epochs=0.0,
        low_res_scale=0.7,
        composite_prob=0.0,
        negatives=0.0,
        mixup=0.0,
        cutmix=0.0,
        distill_share=0.5,
        distill_loss="ce",
        temperature=1.0,
        connectivity=0.0,
        consistency=0.0,
        crf=0.0,
        edge_weight=0.0,
        alpha_weight=0.0,
        ema_decay=0.0,
        clip_norm=0.0,
        select_after=0.0,
    )


def authors_code() -> Recipe:
    """The program of SINet's authors, with the cross-entropy that made SINet.pth (its shipped file says Lovasz)."""
    return dataclasses.replace(
        paper(),
        learning_rate=5e-4,
        class_weights=True,
        encoder_boundary_px=5,
        decay_rule="authors",
        select_after=0.6,
    )


def default() -> Recipe:
    """Ours, for about a thousand images and an hour; docs/training.md has its results."""
    return dataclasses.replace(
        paper(),
        epochs=80,
        encoder_epochs=0,
        schedule="cosine",
        warmup_fraction=0.05,
        decay_rule="mixing",
        augmentation="mild",
        low_res_epochs=0.5,
        ema_decay=0.998,
        clip_norm=1.0,
    )


def fine_tune() -> Recipe:
    """Ours, from a fitted network to one's own images, be they forty: docs/training.md has its results."""
    return dataclasses.replace(default(), learning_rate=5e-4)


PRESETS: dict[str, Callable[[], Recipe]] = {
    "default": default,
    "fine_tune": fine_tune,
    "paper": paper,
    "authors_code": authors_code,
}

AUTHORS_SMALL_DECAY = 1e-2  # of the full one: 2e-6 where that is 2e-4


def decay_all(name: str, parameter: "Tensor") -> float:
    """The paper gives one number and no exemption."""
    return 1.0


def decay_authors(name: str, parameter: "Tensor") -> float:
    """None for depthwise convolutions, a hundredth for norms, PReLU, biases and squeeze-and-excite."""
    if parameter.ndim == 4 and ".excite." not in name:
        return 0.0 if parameter.shape[1] == 1 else 1.0
    return AUTHORS_SMALL_DECAY


def decay_mixing(name: str, parameter: "Tensor") -> float:
    """Only for weights that mix channels: none for depthwise convolutions, norms, PReLU and biases."""
    return 1.0 if parameter.ndim >= 2 and parameter.shape[1] > 1 else 0.0


DECAY_RULES: dict[str, Callable[[str, "Tensor"], float]] = {
    "all": decay_all,
    "authors": decay_authors,
    "mixing": decay_mixing,
}


def parameter_groups(model: "nn.Module", recipe: Recipe) -> list[dict[str, object]]:
    """The optimiser's groups: one for each weight decay that `recipe.decay_rule` gives."""
    rule = DECAY_RULES[recipe.decay_rule]
    by_share: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        by_share.setdefault(rule(name, parameter), []).append(parameter)
    return [{"params": group, "weight_decay": share * recipe.weight_decay} for share, group in by_share.items()]
