"""Whether batch norm can train on the batches of a run: it needs two values of each channel."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from manifests.errors import UserError
from trainer.fit.recipe import Recipe
from trainer.fit.steps import Stage, side_px_of


def check_batch_norms(stage: Stage, recipe: Recipe, *, rows: int, size_px: int, device: torch.device) -> None:
    """UserError when a norm of the stage's network would see one value of each channel.

    This needs batches of one image, by option or for lack of `rows`: every batch of a stage has the same size.
    """
    if not stage.epochs or min(stage.batch_size, rows) > 1:
        return
    for side_px in sorted({side_px_of(recipe, stage, epoch, size_px) for epoch in (1, stage.epochs)}):
        lone = _norms_of_one_value(stage.network, side_px, device)
        if lone:
            raise UserError(_refusal(stage, rows=rows, side_px=side_px, norm=lone[0]))


def _refusal(stage: Stage, *, rows: int, side_px: int, norm: str) -> str:
    option = "--encoder-batch-size" if stage.number == 0 else "--batch-size"
    cause = f"{option} 1" if rows > 1 else "1 row to train on"
    remedy = f"give {option} 2 or more" if rows > 1 else "accept more images"
    return (
        f"expected batches of 2 images or more, since batch norm {norm} sees one value of each channel of an image of "
        f"{side_px} px, found {cause}; {remedy}"
    )


def _norms_of_one_value(network: nn.Module, side_px: int, device: torch.device) -> list[str]:
    """The names of the batch norms that get features of 1x1 from an image of `side_px`."""
    with _recording(network) as names, torch.no_grad():
        network(torch.zeros(1, 3, side_px, side_px, device=device))
    return names


@contextmanager
def _recording(network: nn.Module) -> Iterator[list[str]]:
    """Record the names of norms with 1x1 features, with `network` in evaluation mode, which keeps its statistics."""
    names: list[str] = []
    trained = network.training
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm):

            def record(_: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
                if inputs[0][:, 0].numel() == 1:
                    names.append(name)

            hooks.append(module.register_forward_pre_hook(record))
    network.eval()
    try:
        yield names
    finally:
        network.train(trained)
        for hook in hooks:
            hook.remove()
