"""The networks: images float (N, 3, H, W) -> logits (N, 2, H, W), class 1 = person.

sinet.py    SINet, 86,910 parameters

A new one is a function that returns an `nn.Module`, and a line in MODELS.
"""

from collections.abc import Callable

from torch import nn

from manifests.errors import UserError
from trainer.models.sinet import sinet

MODELS: dict[str, Callable[..., nn.Module]] = {
    "sinet": sinet,
}


def create_model(name: str, **options: object) -> nn.Module:
    """The network called `name`, with fresh weights; UserError lists the known names."""
    if name not in MODELS:
        raise UserError(f"expected a model out of {', '.join(MODELS)}, found {name!r}")
    return MODELS[name](**options)
