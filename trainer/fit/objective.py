"""Images and labels -> loss: network and loss as one function, compiled where that works."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from trainer.fit.losses import LOSSES, Weights, segmentation_loss
from trainer.fit.recipe import Recipe
from trainer.models.compile_friendly_norm import sum_by_rows
from trainer.models.sinet import SINet

logger = logging.getLogger(__name__)

Objective = Callable[[Tensor, Tensor], Tensor]

COMPILE_OPTIONS: dict[str, Any] = {"conv_1x1_as_mm": True}  # half of SINet's convolutions are matrix products


def objective(
    network: nn.Module,
    recipe: Recipe,
    *,
    weights: Weights,
    kernel_px: int,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Objective:
    """-> a function of normalised images (N, 3, S, S) and labels (N, s, s) float in [0, 1], with a scalar loss.

    The network runs in the precision of `autocast`, the loss in fp32.
    """
    logits_of = network.person_logit if isinstance(network, SINet) else network
    criterion = LOSSES[recipe.loss]
    boundary_weight = recipe.boundary_weight

    def loss_of(images: Tensor, labels: Tensor) -> Tensor:
        with autocast():
            logits = logits_of(images)
        return segmentation_loss(
            logits.float(),
            labels,
            criterion=criterion,
            weights=weights,
            boundary_weight=boundary_weight,
            kernel_px=kernel_px,
        )

    return loss_of


def compiled(loss_of: Objective, network: nn.Module, images: Tensor, labels: Tensor) -> Objective:
    """Compile `loss_of` for batches like `images` and `labels`; log a warning and return it unchanged when that fails.

    Compiling is lazy, so both directions are run once here, and `network` is restored.
    """
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # hides its warning about missing CUDA
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    if images.device.type == "cpu":
        sum_by_rows(network)
    try:
        fast: Objective = torch.compile(loss_of, options=COMPILE_OPTIONS, dynamic=False)
        fast(images, labels).backward()
    except Exception as error:  # compilers, linkers and generated code raise any kind
        reason = str(error).strip().partition("\n")[0]
        logger.warning("torch.compile does not work here (%s: %s); continuing without it", type(error).__name__, reason)
        return loss_of
    finally:
        network.load_state_dict(state)
        network.zero_grad(set_to_none=True)
    return fast
