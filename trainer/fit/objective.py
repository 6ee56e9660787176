"""Images and labels -> loss: network and loss as one function, compiled where that works."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from trainer.data.preprocessing import Preprocessing
from trainer.fit.connectivity import connectivity
from trainer.fit.consistency import consistency
from trainer.fit.crf import crf
from trainer.fit.distillation_losses import DISTILL_LOSSES
from trainer.fit.edge_head import edge_loss
from trainer.fit.heads import outputs_of
from trainer.fit.losses import LOSSES, Weights, boundary_band, segmentation_loss
from trainer.fit.matting_head import matting_loss
from trainer.fit.recipe import Recipe
from trainer.models.compile_friendly_norm import sum_by_rows

logger = logging.getLogger(__name__)

COMPILE_OPTIONS: dict[str, Any] = {"conv_1x1_as_mm": True}  # half of SINet's convolutions are matrix products


class Objective(Protocol):
    def __call__(self, images: Tensor, labels: Tensor, taught: Tensor | None = None, /) -> Tensor:
        """Normalised images (N, 3, S, S), labels and live teachers' probabilities (N, s, s) in [0, 1] -> scalar."""
        ...


def objective(
    network: nn.Module,
    recipe: Recipe,
    *,
    weights: Weights,
    kernel_px: int,
    preprocessing: Preprocessing,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Objective:
    """The loss of a batch; `weights` are those of the classes, `kernel_px` is the boundary band's.

    `preprocessing` is that of the images: losses of colours invert it. The network runs in the precision of `autocast`,
    the loss in fp32.
    """
    run_network = outputs_of(network, recipe)
    mask_loss = partial(
        segmentation_loss, criterion=LOSSES[recipe.loss], weights=weights, boundary_weight=recipe.boundary_weight,
        kernel_px=kernel_px,
    )  # fmt: skip

    def loss_of(images: Tensor, labels: Tensor, taught: Tensor | None = None, /) -> Tensor:
        with autocast():
            logits, edge_logits, matte_logits = run_network(images)
        logits = logits.float()
        if taught is None:
            loss = mask_loss(logits, labels)
        else:
            loss = distilled_loss(
                logits, labels, taught, recipe, mask_loss=mask_loss, weights=weights, kernel_px=kernel_px
            )
        if recipe.connectivity:
            loss = loss + recipe.connectivity * connectivity(logits, labels)
        if recipe.consistency:
            loss = loss + recipe.consistency * consistency(logits)
        if recipe.crf:
            loss = loss + recipe.crf * crf(logits, preprocessing.colours(images))
        if edge_logits is not None:
            loss = loss + recipe.edge_weight * edge_loss(edge_logits.float(), labels)
        if matte_logits is not None:
            colours = preprocessing.colours(images)
            loss = loss + recipe.alpha_weight * matting_loss(matte_logits.float(), labels, colours)
        return loss

    return loss_of


def distilled_loss(
    logits: Tensor,
    labels: Tensor,
    taught: Tensor,
    recipe: Recipe,
    *,
    mask_loss: Callable[..., Tensor],
    weights: Weights,
    kernel_px: int,
) -> Tensor:
    """(N, 2, H, W) and twice (N, H, W) -> scalar: the loss of the masks and, to `distill_share`, that of the teachers.

    Both use one band, that of the mixed target. So `ce` at temperature 1 is the cross-entropy of the mixed target, the
    loss of --distill.
    """
    band = boundary_band(torch.lerp(labels, taught, recipe.distill_share), kernel_px)
    distil = DISTILL_LOSSES[recipe.distill_loss]
    loss = distil(
        logits, taught, band, temperature=recipe.temperature, boundary_weight=recipe.boundary_weight, weights=weights
    )
    if recipe.distill_share == 1:
        return loss
    return torch.lerp(mask_loss(logits, labels, band=band), loss, recipe.distill_share)


def compiled(loss_of: Objective, network: nn.Module, images: Tensor, *targets: Tensor) -> Objective:
    """Compile `loss_of` for batches like `images` and `targets`; log a warning and return it unchanged when that fails.

    Compiling is lazy, so both directions are run once here, and `network` is restored.
    """
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # hides its warning about missing CUDA
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    if images.device.type == "cpu":
        sum_by_rows(network)
    try:
        fast: Objective = torch.compile(loss_of, options=COMPILE_OPTIONS, dynamic=False)
        fast(images, *targets).backward()
    except Exception as error:  # compilers, linkers and generated code raise any kind
        reason = str(error).strip().partition("\n")[0]
        logger.warning("torch.compile does not work here (%s: %s); continuing without it", type(error).__name__, reason)
        return loss_of
    finally:
        network.load_state_dict(state)
        network.zero_grad(set_to_none=True)
    return fast
