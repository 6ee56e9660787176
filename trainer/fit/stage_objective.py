"""The loss function of one stage at one image side: compiled, or gathered over several processes."""

import logging

import torch
from lightning_fabric import Fabric
from torch import nn

from trainer.data.preprocessing import Preprocessing
from trainer.data.samples import Samples, images_per_epoch, steps_per_epoch
from trainer.fit.gathered_loss import of_whole_batch
from trainer.fit.objective import Objective, compiled, objective
from trainer.fit.recipe import Recipe
from trainer.fit.steps import Stage, class_weights, odd_px

logger = logging.getLogger(__name__)

MIN_STEPS_TO_COMPILE = 200  # compiling takes a minute and saves about 0.4 s a step of SINet on two cores


def stage_objective(
    stage: Stage,
    network: nn.Module,
    train: Samples,
    recipe: Recipe,
    fabric: Fabric,
    preprocessing: Preprocessing,
    *,
    side_px: int,
    size_px: int,
    compile_network: bool | None,
    live_teachers: bool = False,
) -> Objective:
    """The loss of images of `side_px`; `network` is the stage's, or its replacement in several processes."""
    stage.network.train()
    loss_of = objective(
        network,
        recipe,
        weights=class_weights(train, recipe),
        kernel_px=odd_px(stage.kernel_px * side_px / size_px),
        preprocessing=preprocessing,
        autocast=fabric.autocast,
    )
    compiles = _compiles(stage, train, compile_network)
    if fabric.world_size > 1:
        if compiles:  # the exchanges of DDP and of every batch norm would break the graph up
            logger.warning("torch.compile is for one process; continuing without it")
        return of_whole_batch(loss_of)
    if not compiles:
        return loss_of
    n = min(images_per_epoch(train, stage.batch_size), stage.batch_size) * (2 if recipe.consistency else 1)
    images = torch.zeros(n, 3, side_px, side_px, device=fabric.device).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(n, side_px // stage.label_stride, side_px // stage.label_stride, device=fabric.device)
    return compiled(loss_of, stage.network, images, labels, *([labels] if live_teachers else []))


def _compiles(stage: Stage, train: Samples, compile_network: bool | None) -> bool:
    """Decided from the whole stage, not its remaining epochs: a resumed run computes as it did before."""
    if compile_network is not None:
        return compile_network
    return stage.epochs * steps_per_epoch(train, stage.batch_size) >= MIN_STEPS_TO_COMPILE
