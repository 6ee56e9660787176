"""Second heads of networks: the outputs that a recipe trains, and whether the network has them."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from manifests.errors import UserError
from trainer.fit.edge_head import HasEdgeHead
from trainer.fit.matting_head import HasMattingHead
from trainer.fit.recipe import Recipe
from trainer.models.sinet import SINet


class Outputs(NamedTuple):
    """Logits (N, 2, H, W) of the mask, or their difference (N, H, W); (N, 2, H, W) of each head that is trained."""

    logits: Tensor
    edge_logits: Tensor | None = None
    matte_logits: Tensor | None = None


def outputs_of(network: nn.Module, recipe: Recipe) -> Callable[[Tensor], Outputs]:
    """Images (N, 3, H, W) -> outputs, with those of a second head if the recipe trains it."""
    if recipe.edge_weight and isinstance(network, HasEdgeHead):
        return partial(_with_edges, network)
    if recipe.alpha_weight and isinstance(network, HasMattingHead):
        return partial(_with_matte, network)
    logits_of = network.person_logit if isinstance(network, SINet) else network
    return lambda images: Outputs(logits_of(images))


def check_heads(network: nn.Module, recipe: Recipe, *, processes: int) -> None:
    """UserError for the weight of a head that the network lacks, and for one in several processes."""
    heads = (
        ("--edge-weight", recipe.edge_weight, "an edge head", HasEdgeHead),
        ("--alpha-weight", recipe.alpha_weight, "a matting head", HasMattingHead),
    )
    for option, weight, head, protocol in heads:
        if not weight:
            continue
        if not isinstance(network, protocol):
            raise UserError(
                f"expected a network with {head} for {option} {weight:g}, found {type(network).__name__}; "
                f"set {option} 0"
            )
        if processes > 1:
            raise UserError(
                f"expected one process for {option} {weight:g}, found {processes}: several exchange one output; "
                "give --devices 1"
            )


def _with_edges(network: HasEdgeHead, images: Tensor) -> Outputs:
    logits, edge_logits = network.training_outputs(images)
    return Outputs(logits, edge_logits=edge_logits)


def _with_matte(network: HasMattingHead, images: Tensor) -> Outputs:
    logits, matte_logits = network.matting_outputs(images)
    return Outputs(logits, matte_logits=matte_logits)
